namespace Fathom.Prompts;

/// <summary>Collects the spans of a prompt and keeps the three origins of text apart.</summary>
internal sealed class PromptWriter
{
    private readonly List<PromptSpan> _spans = [];

    /// <summary>The message that is being rendered; null outside of any.</summary>
    public int? Message { get; set; }

    public RenderedPrompt ToPrompt() => new(_spans);

    public void Token(string token) => _spans.Add(new PromptSpan(token, SpanKind.Token, Message));

    /// <summary>Fixed text; the control tokens inside it become spans of their own.</summary>
    public void Protocol(string text)
    {
        int at = 0;
        while (at < text.Length)
        {
            (int next, string token) = ProtocolTokens.InsideProtocolTexts
                .Select(candidate => (At: text.IndexOf(candidate, at, StringComparison.Ordinal), candidate))
                .Where(found => found.At >= 0)
                .DefaultIfEmpty((text.Length, ""))
                .Min();
            if (next > at)
                _spans.Add(new PromptSpan(text[at..next], SpanKind.Protocol, Message));
            if (token.Length > 0)
                Token(token);
            at = next + token.Length;
        }
    }

    /// <summary>Text that the caller sent.</summary>
    public void Content(string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i]))
                continue;
            if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]))
                i++;
            else
                throw new PromptException($"{Where}: expected well-formed Unicode, found the lone surrogate U+{(int)text[i]:X4} at character {i} of a text; "
                    + "it has no UTF-8 form. Was an emoji cut in half?");
        }
        if (text.Length > 0)
            _spans.Add(new PromptSpan(text, SpanKind.Content, Message));
    }

    /// <summary>The message's place, for errors.</summary>
    public string Where => Message is int message ? $"messages[{message}]" : "prompt";
}
