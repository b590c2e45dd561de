using Fathom.Prompts;

namespace Fathom.Serving;

/// <summary>A turn as the model wrote it.</summary>
/// <param name="Tokens">as they were drawn, without the end-of-text token</param> <param name="Thought">whether it began with reasoning</param>
/// <param name="Reply">what the client was shown; its calls have their ids</param>
internal sealed record Transcript(int[] Tokens, bool Thought, Reply Reply)
{
    private const int Overhead = 256;

    /// <summary>About what it takes in memory.</summary>
    public long Bytes => Overhead + ((long)Tokens.Length * sizeof(int))
        + (sizeof(char) * (Reply.Reasoning.Length + Reply.Content.Length + Reply.ToolCalls.Sum(call => (long)call.Name.Length + call.Arguments.Length)));

    /// <summary>Whether a client's message is this turn: what it shows is the same, and its reasoning is the same or left out.</summary>
    public bool IsOf(Message.Assistant message) =>
        VisibleText.Of(message.Content) == Reply.Content.Trim()
        && (message.Reasoning.Length == 0 || message.Reasoning.Trim() == Reply.Reasoning.Trim())
        && message.ToolCalls.Count == Reply.ToolCalls.Count
        && message.ToolCalls.Zip(Reply.ToolCalls).All(pair => pair.First.Name == pair.Second.Name && AreSame(pair.First.Arguments, pair.Second.Arguments));

    // Clients read arguments and write them again.
    private static bool AreSame(string arguments, string written) => arguments == written || Normal(arguments) == Normal(written);

    private static string Normal(string json)
    {
        try
        {
            return PythonJson.Parse(json).Write();
        }
        catch (Exception e) when (e is FormatException or PromptException)
        {
            return json;
        }
    }
}
