namespace Fathom.Prompts;

/// <summary>A conversation cannot be rendered, or a reply cannot be read. The message says what, where, expected, found and what to do next.</summary>
public sealed class PromptException : Exception
{
    /// <summary>Makes the error with its message.</summary>
    public PromptException(string message) : base(message)
    {
    }

    /// <summary>Makes the error with its message and the cause.</summary>
    public PromptException(string message, Exception inner) : base(message, inner)
    {
    }

    /// <summary>For serialisers and tests only.</summary>
    public PromptException()
    {
    }
}
