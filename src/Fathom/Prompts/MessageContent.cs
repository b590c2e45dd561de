namespace Fathom.Prompts;

/// <summary>What a message says: parts in order. A plain string converts to one text part.</summary>
public sealed class MessageContent
{
    /// <summary>No parts: the empty text.</summary>
    public static readonly MessageContent Empty = new([]);

    /// <summary>Makes the content of its parts.</summary>
    public MessageContent(IReadOnlyList<ContentPart> parts) => Parts = parts;

    /// <summary>The parts; the prompt joins them with an empty line.</summary>
    public IReadOnlyList<ContentPart> Parts { get; }

    /// <summary>One text part.</summary>
    public static implicit operator MessageContent(string text) => FromString(text);

    /// <summary>One text part.</summary>
    public static MessageContent FromString(string text) => new([new ContentPart.Text(text)]);
}

/// <summary>A part of a message's content. A closed set.</summary>
public abstract record ContentPart
{
    private ContentPart()
    {
    }

    /// <summary>Text.</summary>
    /// <param name="Value">The text; may be empty.</param>
    public sealed record Text(string Value) : ContentPart;

    /// <summary>
    /// Something a text model cannot read. In a tool result it is rendered as [Unsupported KIND], as DeepSeek's encoder does;
    /// in any other message it is an error.
    /// </summary>
    /// <param name="Kind">The kind the sender gave, such as image_url.</param>
    public sealed record Unsupported(string Kind) : ContentPart;
}
