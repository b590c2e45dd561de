using System.Text.RegularExpressions;
using Fathom.Prompts;

namespace Fathom.Server;

/// <summary>Functions that a request offers, as the prompt shows them. Stateless.</summary>
internal static partial class FunctionTool
{
    /// <summary>A tool of its parts; keys of the parameters keep their order.</summary>
    /// <param name="name">checked</param>
    /// <param name="description">null or empty for none</param>
    /// <param name="parameters">JSON text of a schema; null for none</param>
    public static Tool Of(string name, string? description, string? parameters) => new(JsonText.Of(json =>
    {
        json.WriteString("name", name);
        if (!string.IsNullOrEmpty(description))
        {
            json.WriteString("description", description);
        }
        if (parameters is not null)
        {
            json.WritePropertyName("parameters");
            json.WriteRawValue(parameters);
        }
    }));

    /// <summary>The name in a field.</summary>
    /// <exception cref="RequestErrorException">it is missing, or a name that no function may have</exception>
    public static string Name(JsonFields fields, string field)
    {
        string name = fields.String(field) ?? throw fields.Missing(field, "the name of a function");
        return Pattern().IsMatch(name) ? name : throw fields.Unknown(field, "1 to 128 letters, digits, underscores and dashes", name);
    }

    [GeneratedRegex(@"\A[A-Za-z0-9_-]{1,128}\z")]
    private static partial Regex Pattern();
}
