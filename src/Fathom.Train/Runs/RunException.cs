namespace Fathom.Train.Runs;

/// <summary>A training run cannot begin or go on: the message says what was expected, what was found, where, and what to do.</summary>
public sealed class RunException : Exception
{
    /// <summary>Makes the error with its message.</summary>
    public RunException(string message) : base(message)
    {
    }

    /// <summary>Makes the error with its message and the cause.</summary>
    public RunException(string message, Exception inner) : base(message, inner)
    {
    }

    /// <summary>For serialisers only.</summary>
    public RunException()
    {
    }
}
