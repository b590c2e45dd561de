using System.Text.Json;
using Fathom.Engine;
using Fathom.Grammars;
using Fathom.Prompts;

namespace Fathom.Server.OpenAi;

/// <summary>The form that an answer must have: response_format.</summary>
/// <param name="Grammar">what holds the answer to it; null for text</param>
/// <param name="Schema">JSON text of the schema, which the model reads; null for none</param>
internal sealed record AnswerForm(Grammar? Grammar, string? Schema)
{
    private const string Name = "response_format";

    /// <summary>Reads response_format.</summary>
    /// <param name="fields">of the body</param> <param name="tools">of the same request</param>
    /// <exception cref="RequestErrorException">it breaks a rule, or asks for what cannot be enforced</exception>
    public static AnswerForm Read(JsonFields fields, ToolFields tools)
    {
        JsonFields? format = fields.Object(Name);
        string? type = format?.String("type");
        if (type is null or "text")
        {
            return new AnswerForm(null, null);
        }
        if (tools.Tools.Count > 0)
        {
            throw new RequestErrorException(ErrorReason.Invalid, $"{Name}: expected text beside tools, found {type}. Offer tools in one request and "
                + $"ask for JSON in the next.", Name);
        }
        switch (type)
        {
            case "json_object":
                return new AnswerForm(JsonGrammar.AnyObject(), null);
            case "json_schema":
                JsonFields wrapped = format!.Object("json_schema") ?? throw format.Missing("json_schema", "an object with a schema");       // it has a type
                JsonElement schema = wrapped.Any("schema") ?? throw wrapped.Missing("schema", "a JSON schema");
                return new AnswerForm(FromSchema(schema), schema.GetRawText());
            default:
                throw format!.Unknown("type", "text, json_object or json_schema", type);
        }
    }

    /// <summary>Puts the schema where the model looks for it: on the first message if that is of the system, else on an empty one in front.</summary>
    public Conversation Place(Conversation conversation) => (Schema, conversation.Messages) switch
    {
        (null, _) => conversation,
        (_, [Message.System first, ..]) => conversation with { Messages = [first with { ResponseFormat = Schema }, .. conversation.Messages.Skip(1)] },
        _ => conversation with { Messages = [new Message.System(MessageContent.Empty) { ResponseFormat = Schema }, .. conversation.Messages] },
    };

    private static Grammar FromSchema(JsonElement schema)
    {
        try
        {
            return JsonGrammar.FromSchema(schema);
        }
        catch (RequestException e)
        {
            throw new RequestErrorException(ErrorReason.Invalid, $"{Name}: {e.Message}", Name);
        }
    }
}
