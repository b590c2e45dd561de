using Fathom.Prompts;

namespace Fathom.Server;

/// <summary>Functions that a request names. Stateless.</summary>
internal static class FunctionTool
{
    /// <summary>The name in a field.</summary>
    /// <exception cref="RequestErrorException">it is missing, or a name that no function may have</exception>
    public static string Name(JsonFields fields, string field)
    {
        string name = fields.String(field) ?? throw fields.Missing(field, "the name of a function");
        return Tool.IsName(name) ? name : throw fields.Unknown(field, "1 to 128 letters, digits, underscores and dashes", name);
    }
}
