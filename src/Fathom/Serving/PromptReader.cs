using Fathom.Engine;
using Fathom.Model;
using Fathom.Prompts;
using Fathom.Text;

namespace Fathom.Serving;

/// <summary>A prompt as the model will read it.</summary>
/// <param name="Tokens">at least one</param> <param name="Reply">how the reply begins: with reasoning or not</param>
internal sealed record EncodedPrompt(int[] Tokens, ThinkingMode Reply)
{
    /// <summary>Tokens of system text and tools in front, which other conversations share; 0 if there are none.</summary>
    public int SharedTokens { get; init; }

    /// <summary>Whether the reply is a text without reasoning, calls or markup.</summary>
    public bool IsPlain { get; init; }

    /// <summary>Hash of the conversation so far; null for a reply that is no turn of its own.</summary>
    public string? Visible { get; init; }

    /// <summary>As <see cref="GenerationEvent.Accepted.TurnsWithoutReasoning"/>.</summary>
    public int TurnsWithoutReasoning { get; init; }
}

/// <summary>
/// Turns prompts into tokens. Turns that the ledger knows are taken from there, token by token as they were drawn. May be called from any thread.
/// </summary>
internal sealed class PromptReader(Tokenizer tokenizer, ModelConfig config, EncoderRevision revision, TurnLedger ledger)
{
    private static readonly string[] s_chatTokens = [ProtocolTokens.User, ProtocolTokens.Assistant, ProtocolTokens.ThinkOpen, ProtocolTokens.ThinkClose];
    private static readonly string[] s_fillTokens = [ProtocolTokens.FimBegin, ProtocolTokens.FimHole, ProtocolTokens.FimEnd];

    private readonly PromptEncoder _encoder = new(revision);

    /// <summary>Whether the tokenizer has the tokens of a conversation.</summary>
    public bool CanChat => HasAll(s_chatTokens);

    /// <summary>Whether the tokenizer has the tokens that ask for a text between two others.</summary>
    public bool CanFill => HasAll(s_fillTokens);

    /// <summary>The tokens of a prompt.</summary>
    /// <param name="prompt">what to read</param> <param name="tenant">whose turns may be taken from the ledger</param>
    /// <exception cref="PromptException">the conversation cannot be rendered</exception>
    /// <exception cref="RequestException">the model has no tokens for such a prompt</exception>
    public EncodedPrompt Read(GenerationPrompt prompt, string tenant)
    {
        switch (prompt)
        {
            case GenerationPrompt.Chat chat:
                Require(CanChat, "hold a conversation", s_chatTokens);
                return Read(chat.Conversation, tenant);
            case GenerationPrompt.FillInTheMiddle fill:
                Require(CanFill, "fill a gap in a text", s_fillTokens);
                return new EncodedPrompt([.. Tokens(PromptEncoder.FillInTheMiddle(fill.Prefix, fill.Suffix))], ThinkingMode.Chat) { IsPlain = true };
            default:
                string text = ((GenerationPrompt.Text)prompt).Value;
                return new EncodedPrompt([config.BosToken, .. tokenizer.Encode(text, recognizeAddedTokens: false)], ThinkingMode.Chat) { IsPlain = true };
        }
    }

    private EncodedPrompt Read(Conversation conversation, string tenant)
    {
        if (conversation.Messages.Count == 0)
        {
            throw new PromptException("messages: expected at least one, found none.");
        }
        var known = new Dictionary<int, Transcript>();
        Message[] messages = [.. SystemInFront(conversation.Messages)];
        string[] before = VisibleText.Chain(tenant, messages);
        for (int i = 0; i < messages.Length; i++)
        {
            if (messages[i] is Message.Assistant { LeaveOpen: false } turn && ledger.Find(tenant, before[i], turn) is { } transcript)
            {
                known[i] = transcript;
                messages[i] = turn with { Reasoning = transcript.Reply.Reasoning };
            }
        }
        IReadOnlyList<PromptSpan> spans = _encoder.Encode(conversation with { Messages = messages }).Spans;
        List<int> tokens = Join(spans, known, out int shared);
        bool isOpen = messages[^1] is Message.Assistant;
        return new EncodedPrompt([.. tokens], !isOpen && conversation.Thinking == ThinkingMode.Thinking ? ThinkingMode.Thinking : ThinkingMode.Chat)
        {
            SharedTokens = shared,
            Visible = isOpen ? null : before[^1],
            TurnsWithoutReasoning = Enumerable.Range(0, messages.Length).Count(i => !known.ContainsKey(i) && LacksReasoning(spans, i, messages[i])),
        };
    }

    // The template knows system text at the beginning alone; what comes later joins the user's turn.
    private static IEnumerable<Message> SystemInFront(IReadOnlyList<Message> messages)
    {
        bool begun = false;
        foreach (Message message in messages)
        {
            yield return begun && message is Message.System { Tools.Count: 0, ResponseFormat: null } system ? new Message.User(system.Content) : message;
            begun |= message is not Message.System;
        }
    }

    private List<int> Join(IReadOnlyList<PromptSpan> spans, Dictionary<int, Transcript> known, out int shared)
    {
        var tokens = new List<int>();
        var run = new List<PromptSpan>();
        shared = 0;
        for (int i = 0, end; i < spans.Count; i = end)
        {
            end = i + 1;
            bool isTurn = spans[i].Message is int message && known.TryGetValue(message, out Transcript? transcript) && IsWritten(spans, i, transcript, out end);
            bool isUser = shared == 0 && spans[i] is { Kind: SpanKind.Token, Text: ProtocolTokens.User };
            if (isTurn || isUser)
            {
                // Both stand between control tokens, where no token can reach across.
                Flush();
            }
            if (isUser)
            {
                shared = tokens.Count;
            }
            if (isTurn)
            {
                tokens.AddRange(known[spans[i].Message!.Value].Tokens);                    // found there just now
                tokens.Add(config.EosToken);
            }
            else
            {
                run.Add(spans[i]);
            }
        }
        Flush();
        return tokens;

        void Flush()
        {
            tokens.AddRange(Tokens(new RenderedPrompt([.. run])));
            run.Clear();
        }
    }

    private List<int> Tokens(RenderedPrompt prompt)
    {
        var tokens = new List<int>();
        foreach (PromptPiece piece in prompt.Pieces(TokenMatching.ProtocolOnly))
        {
            tokenizer.Append(piece.Text, piece.RecognizeAddedTokens, tokens);
        }
        return tokens;
    }

    /// <summary>Whether a turn is rendered as it was written: behind a marker, with reasoning if it had any, up to its end-of-text token.</summary>
    private static bool IsWritten(IReadOnlyList<PromptSpan> spans, int first, Transcript transcript, out int end)
    {
        end = first;
        bool closesThinking = false;
        while (end < spans.Count && spans[end].Message == spans[first].Message)
        {
            closesThinking |= spans[end] is { Kind: SpanKind.Token, Text: ProtocolTokens.ThinkClose };
            end++;
        }
        string marker = transcript.Thought ? ProtocolTokens.ThinkOpen : ProtocolTokens.ThinkClose;
        bool isWritten = closesThinking == transcript.Thought && first > 0 && spans[first - 1].Text == marker
            && spans[end - 1] is { Kind: SpanKind.Token, Text: ProtocolTokens.EndOfSentence };
        end = isWritten ? end : first + 1;
        return isWritten;
    }

    // The closing marker without reasoning in front.
    private static bool LacksReasoning(IReadOnlyList<PromptSpan> spans, int index, Message message)
    {
        if (message is not Message.Assistant { Reasoning.Length: 0 })
        {
            return false;
        }
        foreach (PromptSpan span in spans)
        {
            if (span.Message == index)
            {
                return span is { Kind: SpanKind.Token, Text: ProtocolTokens.ThinkClose };
            }
        }
        return false;
    }

    private bool HasAll(string[] tokens) => Array.TrueForAll(tokens, token => tokenizer.TryGetId(token, out _));

    private static void Require(bool can, string what, string[] tokens)
    {
        if (!can)
        {
            throw new RequestException($"The model's tokenizer lacks one of the tokens {string.Join(", ", tokens)}, so the model cannot {what}. "
                + $"Complete a text instead, or serve another model.");
        }
    }
}
