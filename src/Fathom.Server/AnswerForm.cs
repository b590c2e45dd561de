using System.Text.Json;
using Fathom.Engine;
using Fathom.Grammars;

namespace Fathom.Server;

/// <summary>The form that an answer must have.</summary>
/// <param name="Grammar">what holds the answer to it; null for text</param>
/// <param name="Schema">JSON text of the schema, which the model reads; null for none</param>
internal sealed record AnswerForm(Grammar? Grammar, string? Schema)
{
    /// <summary>The form in a field; text if it is absent.</summary>
    /// <param name="fields">object with the field</param> <param name="field">its name</param> <param name="hasTools">whether the request offers tools</param>
    /// <param name="wrapper">the object that the schema stands in; null where it stands beside the type</param>
    /// <exception cref="RequestErrorException">it breaks a rule, or asks for what cannot be enforced</exception>
    public static AnswerForm Read(JsonFields fields, string field, bool hasTools, string? wrapper = null)
    {
        JsonFields? format = fields.Object(field);
        string? type = format?.String("type");
        if (format is null || type is null or "text")
        {
            return new AnswerForm(null, null);
        }
        if (type is not ("json_object" or "json_schema"))
        {
            throw format.Unknown("type", "text, json_object or json_schema", type);
        }
        if (hasTools)
        {
            throw new RequestErrorException(
                ErrorReason.Invalid,
                $"{fields.PathOf(field)}: expected text beside tools, found {type}. Offer tools in one request and ask for JSON in the next.",
                fields.PathOf(field));
        }
        if (type == "json_object")
        {
            return new AnswerForm(JsonGrammar.AnyObject(), null);
        }
        JsonFields holder = wrapper is null ? format : format.Object(wrapper) ?? throw format.Missing(wrapper, "an object with a schema");
        JsonElement schema = holder.Object("schema")?.Json ?? throw holder.Missing("schema", "a JSON schema");
        try
        {
            return new AnswerForm(JsonGrammar.FromSchema(schema), schema.GetRawText());
        }
        catch (RequestException e)
        {
            throw new RequestErrorException(ErrorReason.Invalid, $"{holder.PathOf("schema")}: {e.Message}", holder.PathOf("schema"));
        }
    }
}
