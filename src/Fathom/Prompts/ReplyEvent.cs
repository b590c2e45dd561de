namespace Fathom.Prompts;

/// <summary>What a reply says next. A closed set; neighbouring events of one kind may be cut anywhere, their concatenation is what counts.</summary>
public abstract record ReplyEvent
{
    private ReplyEvent()
    {
    }

    /// <summary>More of the reasoning.</summary>
    /// <param name="Value">The text; never empty.</param>
    public sealed record Thinking(string Value) : ReplyEvent;

    /// <summary>More of the answer.</summary>
    /// <param name="Value">The text; never empty.</param>
    public sealed record Text(string Value) : ReplyEvent;

    /// <summary>A complete call of a tool.</summary>
    /// <param name="Call">The call; without an id, because the model writes none.</param>
    public sealed record ToolCalled(ToolCall Call) : ReplyEvent;

    /// <summary>
    /// The reply departs from the format here; DeepSeek's parser would refuse it. Reported once, for the first departure. What can still be
    /// understood follows, markup that cannot arrives as <see cref="Text"/>.
    /// </summary>
    /// <param name="Reason">A sentence that says what was expected and found.</param>
    public sealed record Malformed(string Reason) : ReplyEvent;
}
