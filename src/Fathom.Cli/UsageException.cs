namespace Fathom.Cli;

/// <summary>The command line is wrong in a way that only the command can see. The message says what was expected and found.</summary>
internal sealed class UsageException(string message) : Exception(message);
