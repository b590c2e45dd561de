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

    /// <summary>
    /// A call of a tool begins. Its arguments follow while they are written; if it is complete, <see cref="ToolCalled"/> comes behind them, else <see
    /// cref="Malformed"/>.
    /// </summary>
    /// <param name="Name">The function's name.</param>
    public sealed record ToolCallStarted(string Name) : ReplyEvent;

    /// <summary>More of the arguments of the call that has begun. All pieces together are <see cref="ToolCall.Arguments"/>.</summary>
    /// <param name="Json">A piece of JSON text; never empty.</param>
    public sealed record ToolCallArguments(string Json) : ReplyEvent;

    /// <summary>A complete call of a tool.</summary>
    /// <param name="Call">The call; without an id, because the model writes none.</param>
    public sealed record ToolCalled(ToolCall Call) : ReplyEvent;

    /// <summary>
    /// The reply departs from the format here; DeepSeek's parser would refuse it. Reported once, for the first departure. What can still be
    /// understood follows, markup that cannot arrives as <see cref="Markup"/>.
    /// </summary>
    /// <param name="Reason">A sentence that says what was expected and found.</param>
    public sealed record Malformed(string Reason) : ReplyEvent;

    /// <summary>Markup that cannot be understood, as it was written: part of the reply, and nothing to show to people.</summary>
    /// <param name="Value">The text; never empty.</param> <param name="InReasoning">Whether it stands in the reasoning.</param>
    public sealed record Markup(string Value, bool InReasoning) : ReplyEvent;
}
