using Fathom.Engine;
using Fathom.Grammars;

namespace Fathom.Server;

/// <summary>What holds calls to the schemas that a request gives. Stateless.</summary>
internal static class CallFields
{
    /// <summary>The grammars of a request, as <see cref="CallGrammars.Of"/>.</summary>
    /// <exception cref="RequestErrorException">a function is strict, and a schema asks for what cannot be enforced</exception>
    public static CallGrammars Grammars(IReadOnlyList<CallSchema> functions, CallChoice choice, string? name)
    {
        try
        {
            return CallGrammars.Of(functions, choice, name);
        }
        catch (RequestException e)
        {
            throw new RequestErrorException(ErrorReason.Invalid, $"tools: {e.Message}", "tools");
        }
    }
}
