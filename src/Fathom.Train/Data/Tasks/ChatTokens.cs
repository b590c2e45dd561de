using Fathom.Prompts;
using Fathom.Text;

namespace Fathom.Train.Data.Tasks;

/// <summary>A conversation as tokens.</summary>
/// <param name="Tokens">ids</param> <param name="Answers">the tokens of each assistant message; EOS follows</param>
/// <param name="First">encodes places in the first user message</param>
internal sealed record ChatSequence(List<int> Tokens, IReadOnlyList<TokenSpan> Answers, Func<int, int, TokenSpan> First)
{
    /// <summary>The tokens of a part of the first user message, given by characters.</summary>
    public TokenSpan InFirstMessage(int at, int length) => First(at, length);
}

/// <summary>Encodes questions about a text and their answers with the prompt encoder: no thinking, the text in front of the first question.</summary>
internal sealed class ChatTokens(Tokenizer tokenizer)
{
    private static readonly PromptEncoder s_encoder = new(EncoderRevision.July31);

    public ChatSequence Encode(string text, string[] questions, string[] answers)
    {
        var messages = new List<Message>();
        for (int i = 0; i < questions.Length; i++)
        {
            messages.Add(new Message.User(i == 0 ? text + questions[i] : questions[i]));
            messages.Add(new Message.Assistant(answers[i]));
        }

        RenderedPrompt prompt = s_encoder.Encode(new Conversation { Messages = messages, Thinking = ThinkingMode.Chat });
        var writer = new TokenWriter(tokenizer);
        var spans = new List<TokenSpan>();
        Func<int, int, TokenSpan>? first = null;

        // One piece of text between two control tokens; an answer stands alone between </think> and EOS.
        foreach (IReadOnlyList<PromptSpan> run in Runs(prompt.Spans))
        {
            if (run[0].Kind == SpanKind.Token)
            {
                tokenizer.Append(run[0].Text, recognizeAddedTokens: true, writer.Tokens);
                continue;
            }

            string piece = string.Concat(run.Select(span => span.Text));
            TokenSpan tokens = writer.Append(piece, ..);
            if (run[^1].Message is int message && messages[message] is Message.Assistant)
                spans.Add(tokens);
            else
                first ??= Locator(piece, piece.IndexOf(text, StringComparison.Ordinal), tokens.Start);
        }

        return new ChatSequence(writer.Tokens, spans, first!);          // there is a user message
    }

    /// <summary>Encodes the piece once more: the places are asked for once per sample only.</summary>
    private Func<int, int, TokenSpan> Locator(string piece, int textAt, int start) => (at, length) =>
    {
        var again = new TokenWriter(tokenizer);
        TokenSpan span = again.Append(piece, (textAt + at)..(textAt + at + length));
        return span with { Start = span.Start + start };
    };

    private static IEnumerable<IReadOnlyList<PromptSpan>> Runs(IReadOnlyList<PromptSpan> spans)
    {
        var run = new List<PromptSpan>();
        foreach (PromptSpan span in spans)
        {
            if (span.Kind == SpanKind.Token && run.Count > 0)
            {
                yield return [.. run];
                run.Clear();
            }

            if (span.Kind == SpanKind.Token)
                yield return [span];
            else
                run.Add(span);
        }

        if (run.Count > 0)
            yield return [.. run];
    }
}
