using System.Text.Json;
using Fathom.Engine;

namespace Fathom.Grammars;

/// <summary>Makes grammars of JSON.</summary>
/// <remarks>
/// <para>Of a schema these keywords are enforced: type, enum, const, anyOf, $ref within the schema (also to itself), allOf of one schema;
/// properties, required, additionalProperties; items, minItems, maxItems; minLength, maxLength, pattern, format (date, time, date-time, email,
/// hostname, ipv4, ipv6, uuid); minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf (whole numbers to 1000; 0.1, 0.01, …).
/// Annotations such as title and description are passed over. Anything else is refused, never ignored.</para>
/// <para>A reply is a part of what the schema allows: properties come in the order given; an object with properties has no others unless
/// additionalProperties says so; numbers have at most 18 digits before the point, with bounds at most 9 behind it and no exponent; any JSON nests
/// 24 deep at most; between signs stand nothing, one blank, or a line end with an indent. Keys that additionalProperties allows may come twice.</para>
/// <para>Patterns have characters, the dot, classes such as [^a-z\d], the escapes \d \w \s \D \W \S \t \n \r \f \v \0 \xHH \uHHHH \u{H…} and of
/// signs, groups ( ) and (?: ), the choice |, the counts * + ? {n} {n,} {n,m}, and ^ and $ at the ends of the whole or of one of its outermost
/// choices; without them anything may stand before or behind. They cannot be combined with lengths.</para>
/// </remarks>
public static class JsonGrammar
{
    /// <summary>The values of a JSON schema.</summary>
    /// <param name="schema">an object, or true for any value</param>
    /// <exception cref="RequestException">the schema cannot be enforced: the message names the place in it, what was expected and what was found</exception>
    public static Grammar FromSchema(JsonElement schema)
    {
        var builder = new GrammarBuilder();
        int rule = builder.NewRule("#");
        var schemas = new SchemaGrammar(builder, new JsonFragments(builder), schema);
        schemas.AddValue(builder.Start(rule), schema, "#", builder.End(rule));
        schemas.Complete();
        return builder.Build(rule);
    }

    /// <summary>Any JSON object.</summary>
    public static Grammar AnyObject()
    {
        var builder = new GrammarBuilder();
        return builder.Build(new JsonFragments(builder).AnyObject);
    }
}
