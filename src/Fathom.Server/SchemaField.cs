using System.Text.Json;
using Fathom.Engine;
using Fathom.Grammars;
using Fathom.Server.OpenAi;

namespace Fathom.Server;

/// <summary>Reads the form of an answer where the schema stands beside its type. Stateless.</summary>
internal static class SchemaField
{
    private const string Types = "text, json_object or json_schema";

    /// <summary>The form in a field; text if it is absent.</summary>
    /// <param name="fields">object with the field</param> <param name="field">its name</param> <param name="hasTools">whether the request offers tools</param>
    /// <exception cref="RequestErrorException">it breaks a rule, or asks for what cannot be enforced</exception>
    public static AnswerForm Read(JsonFields fields, string field, bool hasTools)
    {
        JsonFields? format = fields.Object(field);
        string? type = format?.String("type");
        if (format is null || type is null or "text")
        {
            return new AnswerForm(null, null);
        }
        if (type is not ("json_object" or "json_schema"))
        {
            throw format.Unknown("type", Types, type);
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
        JsonElement schema = format.Object("schema")?.Json ?? throw format.Missing("schema", "a JSON schema");
        try
        {
            return new AnswerForm(JsonGrammar.FromSchema(schema), schema.GetRawText());
        }
        catch (RequestException e)
        {
            throw new RequestErrorException(ErrorReason.Invalid, $"{format.PathOf("schema")}: {e.Message}", format.PathOf("schema"));
        }
    }
}
