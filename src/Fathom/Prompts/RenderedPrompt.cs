using System.Text;

namespace Fathom.Prompts;

/// <summary>
/// A prompt as spans that remember where each piece of text came from, so that text a caller sent can be kept from acting as control tokens.
/// Immutable.
/// </summary>
public sealed class RenderedPrompt
{
    private readonly Lazy<string> _text;

    internal RenderedPrompt(IReadOnlyList<PromptSpan> spans)
    {
        Spans = spans;
        _text = new Lazy<string>(() => string.Concat(spans.Select(span => span.Text)));
    }

    /// <summary>The prompt in order; no span is empty.</summary>
    public IReadOnlyList<PromptSpan> Spans { get; }

    /// <summary>The whole prompt, byte for byte what DeepSeek's encoder returns.</summary>
    public string Text => _text.Value;

    /// <summary>
    /// The prompt cut for the tokenizer: encode each piece with its own setting and concatenate the ids.
    /// Both ways give the same ids unless content spells a control token.
    /// </summary>
    public IReadOnlyList<PromptPiece> Pieces(TokenMatching matching) =>
        matching == TokenMatching.Everywhere ? [new PromptPiece(Text, true)] : ProtocolOnlyPieces();

    private List<PromptPiece> ProtocolOnlyPieces()
    {
        // Everything between two control tokens is one piece: cutting at span borders would stop the tokenizer
        // from merging «>» with the content after it, and harmless prompts would get other ids than the model was trained on.
        var pieces = new List<PromptPiece>();
        var run = new StringBuilder();
        foreach (PromptSpan span in Spans)
        {
            if (span.Kind != SpanKind.Token)
            {
                run.Append(span.Text);
                continue;
            }
            Flush();
            pieces.Add(new PromptPiece(span.Text, true));
        }
        Flush();
        return pieces;

        void Flush()
        {
            if (run.Length > 0)
                pieces.Add(new PromptPiece(run.ToString(), false));
            run.Clear();
        }
    }
}

/// <summary>A stretch of a prompt with one origin.</summary>
/// <param name="Text">The text; never empty.</param>
/// <param name="Kind">Who wrote it.</param>
/// <param name="Message">
/// Index into <see cref="Conversation.Messages"/> of the message it renders; null for BOS, the effort text and fill-in-the-middle prompts.
/// </param>
public readonly record struct PromptSpan(string Text, SpanKind Kind, int? Message);

/// <summary>Who wrote a span.</summary>
public enum SpanKind
{
    /// <summary>Exactly one control token of the protocol.</summary>
    Token,

    /// <summary>Fixed text of the protocol without control tokens.</summary>
    Protocol,

    /// <summary>Text the caller sent: contents, reasoning, tool schemas, names and arguments of calls.</summary>
    Content,
}

/// <summary>A part of a prompt for the tokenizer.</summary>
/// <param name="Text">The text to encode.</param>
/// <param name="RecognizeAddedTokens">Whether control tokens spelled in the text become their ids.</param>
public readonly record struct PromptPiece(string Text, bool RecognizeAddedTokens);

/// <summary>Where control tokens are recognised when a prompt is tokenised.</summary>
public enum TokenMatching
{
    /// <summary>In the protocol's own spans only: content that spells a control token stays plain text. The safe choice.</summary>
    ProtocolOnly,

    /// <summary>Everywhere, as DeepSeek's reference code does: a user can forge turns.</summary>
    Everywhere,
}
