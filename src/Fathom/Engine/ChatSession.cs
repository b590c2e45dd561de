using Fathom.Devices;
using Fathom.Prompts;
using Fathom.Text;

namespace Fathom.Engine;

/// <summary>
/// A conversation with a loaded model. Each turn continues the sequence of the turn before as far as the prompts agree token for token: old
/// reasoning may have been dropped, or a drawn reply may encode to other tokens than were drawn. One thread at a time.
/// </summary>
public sealed class ChatSession : IDisposable
{
    // Prompts part from the turn before, hardly ever earlier: its reply, or the marker that its reply begins behind.
    private const int Checkpoints = 2;

    private static readonly PromptEncoder s_encoder = new(EncoderRevision.April);

    private readonly LanguageModel _model;
    private readonly Device _device;
    private readonly Tokenizer _tokenizer;
    private readonly int _context;
    private readonly bool _speculative;
    private readonly List<Message> _messages = [];
    private Generator _generator;

    /// <summary>An empty conversation.</summary>
    /// <param name="model">a loaded model</param>
    /// <param name="device">the device it is on</param>
    /// <param name="tokenizer">the model's tokenizer</param>
    /// <param name="context">tokens of context</param>
    /// <param name="speculative">as <see cref="Generator"/> has it</param>
    /// <exception cref="RequestException">
    /// the tokenizer has no tokens for roles, the context is out of range, or there is no MTP block to guess with
    /// </exception>
    public ChatSession(LanguageModel model, Device device, Tokenizer tokenizer, int context, bool speculative = false)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        foreach (string token in new[] { ProtocolTokens.User, ProtocolTokens.Assistant, ProtocolTokens.ThinkOpen, ProtocolTokens.ThinkClose })
        {
            if (!tokenizer.TryGetId(token, out _))
            {
                throw new RequestException($"The model's tokenizer has no token {token}, so it cannot hold a conversation. Use fathom run to complete texts.");
            }
        }
        _model = model;
        _device = device;
        _tokenizer = tokenizer;
        _context = context;
        _speculative = speculative;
        _generator = new Generator(model, device, context, speculative);
    }

    /// <summary>Whether and how much the model thinks before it answers.</summary>
    public ThinkingMode Thinking { get; set; } = ThinkingMode.Chat;

    /// <summary>How much it thinks in thinking mode.</summary>
    public ReasoningEffort Effort { get; set; } = ReasoningEffort.Unspecified;

    /// <summary>The messages so far.</summary>
    public IReadOnlyList<Message> Messages => _messages;

    /// <summary>Counts and times since the conversation began.</summary>
    public GenerationStats Stats => _generator.Stats;

    /// <summary>Tokens of the sequence.</summary>
    public int Length => _generator.Length;

    /// <summary>Prompt tokens of the last turn that the sequence already held and that were not computed again.</summary>
    public int TokensReused { get; private set; }

    /// <summary>Why the last reply ended.</summary>
    public FinishReason Finish => _generator.Finish;

    /// <summary>Forgets the conversation.</summary>
    public void Clear()
    {
        _messages.Clear();
        _generator.Dispose();
        _generator = new Generator(_model, _device, _context, _speculative);
    }

    /// <summary>Sets the text in front of the conversation; it begins anew.</summary>
    public void SetSystem(string text)
    {
        Clear();
        _messages.Add(new Message.System(text));
    }

    /// <summary>Adds a user's message and streams the reply, which joins the conversation when the enumeration ends.</summary>
    /// <param name="text">the message; names of special tokens in it are plain text</param>
    /// <param name="sampling">how tokens are drawn</param>
    /// <param name="maxTokens">tokens of the reply at most</param>
    /// <param name="cancellation">stops between tokens; message and reply are then left out</param>
    /// <exception cref="RequestException">the conversation no longer fits the context</exception>
    public IEnumerable<ReplyEvent> Ask(string text, SamplingOptions sampling, int maxTokens, CancellationToken cancellation)
    {
        int before = _messages.Count;
        var events = new List<ReplyEvent>();
        bool complete = false;
        _messages.Add(new Message.User(text));
        try
        {
            Read(cancellation);
            foreach (ReplyEvent reply in Reply(sampling, maxTokens, cancellation))
            {
                events.Add(reply);
                yield return reply;
            }
            complete = true;
        }
        finally
        {
            if (complete)
            {
                Prompts.Reply reply = Prompts.Reply.From(events);
                _messages.Add(new Message.Assistant(reply.Content) { Reasoning = reply.Reasoning, ToolCalls = reply.ToolCalls });
            }
            else
            {
                _messages.RemoveRange(before, _messages.Count - before);
            }
        }
    }

    /// <summary>Frees the sequence's memory.</summary>
    public void Dispose() => _generator.Dispose();

    private IEnumerable<ReplyEvent> Reply(SamplingOptions sampling, int maxTokens, CancellationToken cancellation)
    {
        var sampler = new Sampler(sampling, _model.Config.VocabularySize);
        var detokenizer = new Detokenizer(_tokenizer);
        var parser = new ReplyParser(Thinking);
        foreach (Token token in _generator.Generate(sampler, _model.Config.EosToken, maxTokens, cancellation))
        {
            foreach (ReplyEvent reply in parser.Push(detokenizer.Push(token.Id)))
            {
                yield return reply;
            }
        }
        string rest = detokenizer.Flush() + (_generator.Finish == FinishReason.Stop ? ProtocolTokens.EndOfSentence : "");
        foreach (ReplyEvent reply in parser.Push(rest))
        {
            yield return reply;
        }
        foreach (ReplyEvent reply in parser.Complete())
        {
            // A reply cut off by the limit lacks its end; the finish reason says so already.
            if (_generator.Finish == FinishReason.Stop || reply is not ReplyEvent.Malformed)
            {
                yield return reply;
            }
        }
    }

    private void Read(CancellationToken cancellation)
    {
        List<int> prompt = [];
        var conversation = new Conversation { Messages = _messages, Thinking = Thinking, Effort = Effort };
        foreach (PromptPiece piece in s_encoder.Encode(conversation).Pieces(TokenMatching.ProtocolOnly))
        {
            _tokenizer.Append(piece.Text, piece.RecognizeAddedTokens, prompt);
        }
        ReadOnlySpan<int> tokens = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(prompt);
        // The last token, a marker that opens or closes thinking, may be another one when the next turn has made this one old: the place to come
        // back to is before it.
        int kept = Math.Min(tokens.Length - 1, _generator.Tokens.CommonPrefixLength(tokens));
        TokensReused = kept - _generator.TruncateTo(kept, cancellation);
        if (kept < tokens.Length - 1)
        {
            _generator.Read(tokens[kept..^1], progress: null, cancellation);
        }
        _generator.Checkpoint(Checkpoints);
        _generator.Read(tokens[^1..], progress: null, cancellation);
    }
}
