namespace Fathom.Checkpoints;

/// <summary>A checkpoint or a file beside it is missing, damaged, or contradicts the config. The message says what, where, expected and found.</summary>
public sealed class CheckpointException : Exception
{
    /// <summary>Makes the error with its message.</summary>
    public CheckpointException(string message) : base(message)
    {
    }

    /// <summary>Makes the error with its message and the cause.</summary>
    public CheckpointException(string message, Exception inner) : base(message, inner)
    {
    }

    /// <summary>For serialisers and tests only.</summary>
    public CheckpointException()
    {
    }
}
