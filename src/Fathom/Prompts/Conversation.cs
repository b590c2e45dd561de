namespace Fathom.Prompts;

/// <summary>All that decides a prompt, in no wire format. Immutable.</summary>
public sealed record Conversation
{
    /// <summary>The messages to render, oldest first.</summary>
    public required IReadOnlyList<Message> Messages { get; init; }

    /// <summary>Messages before <see cref="Messages"/> whose tokens are already in the cache: they influence the prompt but are not rendered.</summary>
    public IReadOnlyList<Message> Prior { get; init; } = [];

    /// <summary>Whether the model thinks before it answers.</summary>
    public ThinkingMode Thinking { get; init; } = ThinkingMode.Thinking;

    /// <summary>How much it thinks; without effect in chat mode.</summary>
    public ReasoningEffort Effort { get; init; } = ReasoningEffort.Unspecified;

    /// <summary>True (the trained default) leaves out reasoning before the last user turn, unless any message carries tools.</summary>
    public bool DropOldReasoning { get; init; } = true;

    /// <summary>True writes BOS first, unless <see cref="Prior"/> holds messages.</summary>
    public bool BeginOfSentence { get; init; } = true;

    /// <summary>
    /// Places tools that came with a request rather than with a message: on the first message if it is a system or developer one, else on an
    /// empty system message put in front (then message indices grow by one). Throws <see cref="PromptException"/> if that message has tools already.
    /// </summary>
    /// <returns>The conversation with the tools; itself when there are none.</returns>
    public Conversation WithTools(IReadOnlyList<Tool> tools)
    {
        if (tools.Count == 0)
            return this;
        return Prior.Count > 0 ? this with { Prior = Place(Prior, tools) } : this with { Messages = Place(Messages, tools) };
    }

    /// <summary>
    /// Places the schema that came with a request where the model looks for it: on the first message if it is a system one, else on an empty system message
    /// put in front.
    /// </summary>
    /// <param name="schema">JSON text; null for none</param>
    /// <returns>The conversation with the schema; itself when there is none.</returns>
    public Conversation WithResponseFormat(string? schema) => (schema, Messages) switch
    {
        (null, _) => this,
        (_, [Message.System first, ..]) => this with { Messages = [first with { ResponseFormat = schema }, .. Messages.Skip(1)] },
        _ => this with { Messages = [new Message.System(MessageContent.Empty) { ResponseFormat = schema }, .. Messages] },
    };

    private static List<Message> Place(IReadOnlyList<Message> messages, IReadOnlyList<Tool> tools) => messages switch
    {
        [Message.System { Tools.Count: 0 } first, ..] => [first with { Tools = tools }, .. messages.Skip(1)],
        [Message.Developer { Tools.Count: 0 } first, ..] => [first with { Tools = tools }, .. messages.Skip(1)],
        [Message.System or Message.Developer, ..] => throw new PromptException(
            $"messages[0]: expected no tools of its own because the request gives {tools.Count}, found some; give tools in one place."),
        _ => [new Message.System(MessageContent.Empty) { Tools = tools }, .. messages],
    };
}

/// <summary>Whether the model thinks before it answers.</summary>
public enum ThinkingMode
{
    /// <summary>It answers at once.</summary>
    Chat,

    /// <summary>It writes reasoning first.</summary>
    Thinking,
}

/// <summary>How much the model thinks. Which levels exist and what they write depends on the <see cref="EncoderRevision"/>.</summary>
public enum ReasoningEffort
{
    /// <summary>Nothing asked; adds nothing to the prompt.</summary>
    Unspecified,

    /// <summary>Little: <see cref="EncoderRevision.July31"/> only, where it is the default.</summary>
    Low,

    /// <summary>April: the default. July 31: the text that April writes for <see cref="Max"/>.</summary>
    High,

    /// <summary>As much as the model can.</summary>
    Max,
}

/// <summary>The two published encoders of DeepSeek-V4; they differ in the reasoning efforts only.</summary>
public enum EncoderRevision
{
    /// <summary>The first release of DeepSeek-V4-Flash and -Pro.</summary>
    April,

    /// <summary>DeepSeek-V4-Flash-0731.</summary>
    July31,
}

/// <summary>Short jobs the model was trained to do on a conversation, each started by one token.</summary>
public enum QuickTask
{
    /// <summary>Search or answer?</summary>
    Action,

    /// <summary>Write search queries.</summary>
    Query,

    /// <summary>Does it need an authoritative source?</summary>
    Authority,

    /// <summary>Name the domain.</summary>
    Domain,

    /// <summary>Write a title.</summary>
    Title,

    /// <summary>Must an address be read?</summary>
    ReadUrl,
}
