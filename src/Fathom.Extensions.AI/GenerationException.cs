using Fathom.Serving;

namespace Fathom.Extensions.AI;

/// <summary>A request that is refused, or a reply that broke off. The message says what was expected, what was found and what to do.</summary>
public sealed class GenerationException : Exception
{
    /// <summary>Makes the error of its kind and message.</summary>
    public GenerationException(FaultKind kind, string message) : base(message) => Kind = kind;

    /// <summary>Makes the error of its kind and message, with the cause.</summary>
    public GenerationException(FaultKind kind, string message, Exception inner) : base(message, inner) => Kind = kind;

    /// <summary>For serialisers only.</summary>
    public GenerationException()
    {
    }

    /// <summary>For serialisers only.</summary>
    public GenerationException(string message) : base(message)
    {
    }

    /// <summary>For serialisers only.</summary>
    public GenerationException(string message, Exception inner) : base(message, inner)
    {
    }

    /// <summary>What kind of fault: <see cref="FaultKind.Busy"/> alone is worth another try as it is.</summary>
    public FaultKind Kind { get; } = FaultKind.Internal;

    internal static GenerationException Invalid(string message) => new(FaultKind.Invalid, message);
}
