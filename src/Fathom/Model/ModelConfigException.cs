namespace Fathom.Model;

/// <summary>A model's config is missing, unreadable, or contradicts itself. The message says what, where, expected and found.</summary>
public sealed class ModelConfigException : Exception
{
    /// <summary>Makes the error with its message.</summary>
    public ModelConfigException(string message) : base(message)
    {
    }

    /// <summary>Makes the error with its message and the cause.</summary>
    public ModelConfigException(string message, Exception inner) : base(message, inner)
    {
    }

    /// <summary>For serialisers and tests only.</summary>
    public ModelConfigException()
    {
    }
}
