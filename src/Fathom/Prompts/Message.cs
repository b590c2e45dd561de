namespace Fathom.Prompts;

/// <summary>One message of a conversation. A closed set: the nested records are all there are.</summary>
public abstract record Message
{
    private Message(MessageRole role) => Role = role;

    /// <summary>Who speaks; fixed by the record's type.</summary>
    public MessageRole Role { get; }

    /// <summary>
    /// A quick instruction that follows this message; null for none. It takes effect when the message is the last one or
    /// an assistant or reminder message follows. On a user message that joins an earlier one it is lost, as in DeepSeek's encoder.
    /// </summary>
    public QuickTask? Task { get; init; }

    /// <summary>Instructions of the application; rendered raw, without a marker of its own.</summary>
    /// <param name="Content">The text; may be empty.</param>
    public sealed record System(MessageContent Content) : Message(MessageRole.System)
    {
        /// <summary>Functions the model may call; their presence anywhere keeps all earlier reasoning in the prompt.</summary>
        public IReadOnlyList<Tool> Tools { get; init; } = [];

        /// <summary>JSON text of a schema that the reply must follow; null, {} and [] add nothing.</summary>
        public string? ResponseFormat { get; init; }

        /// <summary>
        /// Adds system text to messages where it stands; to system text right in front of it, with an empty line between, so that tools follow all of it.
        /// </summary>
        public static void Append(IList<Message> messages, MessageContent content)
        {
            if (messages is [.., System last])
                messages[^1] = last with { Content = new MessageContent([.. last.Content.Parts, .. content.Parts]) };
            else
                messages.Add(new System(content));
        }
    }

    /// <summary>What the user says. Adjacent user messages and tool results are joined into one turn.</summary>
    /// <param name="Content">The text; may be empty.</param>
    public sealed record User(MessageContent Content) : Message(MessageRole.User);

    /// <summary>A user turn written by the application; may carry tools. Earlier ones are removed when old reasoning is dropped.</summary>
    /// <param name="Content">The text; must not be empty.</param>
    public sealed record Developer(MessageContent Content) : Message(MessageRole.Developer)
    {
        /// <summary>Functions the model may call, as for <see cref="System"/>.</summary>
        public IReadOnlyList<Tool> Tools { get; init; } = [];

        /// <summary>JSON text of a schema that the reply must follow; null, {} and [] add nothing.</summary>
        public string? ResponseFormat { get; init; }
    }

    /// <summary>What the model said.</summary>
    /// <param name="Content">The answer; may be empty.</param>
    public sealed record Assistant(MessageContent Content) : Message(MessageRole.Assistant)
    {
        /// <summary>The thinking before the answer; empty for none.</summary>
        public string Reasoning { get; init; } = "";

        /// <summary>The calls the model made, in its order.</summary>
        public IReadOnlyList<ToolCall> ToolCalls { get; init; } = [];

        /// <summary>True leaves the turn open (no EOS), so that the model continues this text: prefix completion.</summary>
        public bool LeaveOpen { get; init; }
    }

    /// <summary>What a tool answered. It becomes a block of a user turn, sorted by the order of the calls.</summary>
    /// <param name="CallId">The <see cref="Prompts.ToolCall.Id"/> it answers; null or an unknown id sorts with the first call.</param>
    /// <param name="Content">The answer; may be empty.</param>
    public sealed record ToolResult(string? CallId, MessageContent Content) : Message(MessageRole.Tool);

    /// <summary>Latest circumstances (date, place, client), in DeepSeek's own applications.</summary>
    /// <param name="Content">The text.</param>
    public sealed record LatestReminder(MessageContent Content) : Message(MessageRole.LatestReminder);
}

/// <summary>Who speaks in a message.</summary>
public enum MessageRole
{
    /// <summary>The application's instructions.</summary>
    System,

    /// <summary>The person.</summary>
    User,

    /// <summary>The application, speaking in the person's place.</summary>
    Developer,

    /// <summary>The model.</summary>
    Assistant,

    /// <summary>A tool that the model called.</summary>
    Tool,

    /// <summary>A reminder of the latest circumstances.</summary>
    LatestReminder,
}

/// <summary>A call the model makes.</summary>
/// <param name="Id">Names the call for its result; null for none (DeepSeek-V4 writes none, a server invents them).</param>
/// <param name="Name">The function's name.</param>
/// <param name="Arguments">
/// JSON text of an object. Text that is not JSON is passed on as one string parameter named arguments. In a parsed reply, values that the
/// model declared to be JSON stand here as it wrote them, so this may be invalid JSON.
/// </param>
public sealed record ToolCall(string? Id, string Name, string Arguments);
