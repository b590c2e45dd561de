namespace Fathom.Engine;

/// <summary>A request that the engine cannot carry out: the message says what was expected, what was found and what to do.</summary>
public sealed class RequestException : Exception
{
    /// <summary>Makes the error with its message.</summary>
    public RequestException(string message) : base(message)
    {
    }

    /// <summary>Makes the error with its message and the cause.</summary>
    public RequestException(string message, Exception inner) : base(message, inner)
    {
    }

    /// <summary>For serialisers only.</summary>
    public RequestException()
    {
    }
}
