using System.Text.Json;
using Fathom.Engine;

namespace Fathom.Grammars;

/// <summary>Whether a reply calls tools.</summary>
public enum CallChoice
{
    /// <summary>The model decides.</summary>
    Free,

    /// <summary>It calls none.</summary>
    None,

    /// <summary>It calls one at least, behind its reasoning.</summary>
    Required,
}

/// <summary>A function whose calls may be held to its schema.</summary>
/// <param name="Name">in the prompt</param>
/// <param name="Parameters">JSON schema; null for none</param>
/// <param name="IsStrict">whether the client insists</param>
public sealed record CallSchema(string Name, JsonElement? Parameters, bool IsStrict);

/// <summary>What holds the calls of a reply to the schemas of the functions.</summary>
/// <param name="Block">what every block of calls must be; null where no function is strict</param>
/// <param name="Reply">what a reply must be that has to call; null if it need not, or if a schema cannot be enforced and nobody insists</param>
public sealed record CallGrammars(Grammar? Block, Grammar? Reply)
{
    // Of a function without parameters.
    private static readonly JsonElement s_none = JsonElement.Parse("""{"type": "object", "properties": {}}""");

    /// <summary>The grammars of a request.</summary>
    /// <param name="functions">all that are offered</param>
    /// <param name="choice">whether one must be called</param>
    /// <param name="name">which one; null for any</param>
    /// <exception cref="RequestException">a function is strict, and a schema asks for what cannot be enforced</exception>
    public static CallGrammars Of(IReadOnlyList<CallSchema> functions, CallChoice choice, string? name)
    {
        ArgumentNullException.ThrowIfNull(functions);
        bool isStrict = functions.Any(function => function.IsStrict);
        return new CallGrammars(
            isStrict && choice == CallChoice.Free ? Made(() => ToolGrammar.Block(Schemas(functions, name: null)), isStrict) : null,
            choice == CallChoice.Required ? Made(() => ToolGrammar.Reply(Schemas(functions, name)), isStrict) : null);
    }

    private static List<(string Name, JsonElement Parameters)> Schemas(IReadOnlyList<CallSchema> functions, string? name) =>
        [.. functions.Where(function => name is null || function.Name == name).Select(function => (function.Name, function.Parameters ?? s_none))];

    private static Grammar? Made(Func<Grammar> make, bool isStrict)
    {
        try
        {
            return make();
        }
        catch (RequestException) when (!isStrict)
        {
            return null;                                                                  // the opening is forced, and the rest is the model's
        }
    }
}
