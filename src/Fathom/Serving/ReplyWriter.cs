using System.Security.Cryptography;
using System.Text;
using System.Threading.Channels;
using Fathom.Engine;
using Fathom.Prompts;
using Fathom.Text;

namespace Fathom.Serving;

/// <summary>
/// Turns the tokens of one reply into events: whole characters, reasoning, answer and calls apart, markup never shown, stop strings found in the answer.
/// </summary>
internal sealed class ReplyWriter
{
    private const int IdLength = 24;
    private const string IdAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    // Of the added tokens those that the parser knows; all others have no place in a reply and are left out.
    private static readonly string[] s_markup = [ProtocolTokens.ThinkOpen, ProtocolTokens.ThinkClose, ProtocolTokens.Dsml];

    private readonly Tokenizer _tokenizer;
    private readonly ChannelWriter<GenerationEvent> _events;
    private readonly Detokenizer _detokenizer;
    private readonly ReplyParser? _parser;      // null: the reply is a text
    private readonly IReadOnlyList<string> _stopStrings;
    private readonly StringBuilder _reasoning = new();
    private readonly StringBuilder _answer = new();
    private readonly List<ToolCall> _callsMade = [];
    private readonly List<TokenScore> _scores = [];
    private StopStrings _stops;
    private string _id = "";
    private int _calls;

    /// <param name="tokenizer">of the model</param> <param name="prompt">what the reply answers</param> <param name="stopStrings">that end the answer</param>
    /// <param name="events">told everything but the end</param>
    public ReplyWriter(Tokenizer tokenizer, EncodedPrompt prompt, IReadOnlyList<string> stopStrings, ChannelWriter<GenerationEvent> events)
    {
        _tokenizer = tokenizer;
        _events = events;
        _stopStrings = stopStrings;
        _stops = new StopStrings(stopStrings);
        _detokenizer = new Detokenizer(tokenizer);
        _parser = prompt.IsPlain ? null : new ReplyParser(prompt.Reply);
    }

    /// <summary>Whether the reasoning goes on.</summary>
    public bool IsReasoning => _parser is { IsReasoning: true };

    /// <summary>The stop string that has come; null while none has.</summary>
    public string? StopString => _stops.Hit;

    /// <summary>Tokens of the reasoning so far.</summary>
    public int ReasoningTokens { get; private set; }

    /// <summary>The next token, with its log-probability if that was asked for.</summary>
    public void Push(int token, TokenScore? score)
    {
        if (IsReasoning)
        {
            ReasoningTokens++;
        }
        if (score is not null)
        {
            _scores.Add(score);
        }
        if (!_tokenizer.IsAdded(token) || IsMarkup(token))
        {
            bool wasReasoning = IsReasoning;
            Write(_detokenizer.Push(token));
            if (wasReasoning && !IsReasoning)
            {
                _scores.Clear();                                                          // the marker's
            }
        }
    }

    /// <summary>Nothing more comes.</summary>
    /// <param name="stopped">whether the model ended its turn</param>
    /// <returns>what was shown; its calls have their ids</returns>
    public Reply Complete(bool stopped)
    {
        Write(_detokenizer.Flush() + (stopped && _parser is not null ? ProtocolTokens.EndOfSentence : ""));
        Tell(_parser?.Complete() ?? []);
        Answer(_stops.Flush());
        return new Reply(_reasoning.ToString(), _answer.ToString(), _callsMade, Problem: null);
    }

    private bool IsMarkup(int token)
    {
        ReadOnlySpan<byte> bytes = _tokenizer.TokenBytes(token);
        foreach (string mark in s_markup)
        {
            if (Encoding.UTF8.GetByteCount(mark) == bytes.Length && Encoding.UTF8.GetString(bytes) == mark)
            {
                return true;
            }
        }
        return false;
    }

    private void Write(string text)
    {
        if (text.Length > 0)
        {
            Tell(_parser?.Push(text) ?? [new ReplyEvent.Text(text)]);
        }
    }

    private void Tell(IReadOnlyList<ReplyEvent> events)
    {
        foreach (ReplyEvent next in events)
        {
            switch (next)
            {
                case ReplyEvent.Thinking thinking:
                    _reasoning.Append(thinking.Value);
                    _events.TryWrite(new GenerationEvent.Reasoning(thinking.Value) { Tokens = TakeScores() });
                    break;
                case ReplyEvent.Text text:
                    Answer(_stops.Push(text.Value));
                    break;
                case ReplyEvent.ToolCallStarted call when StopString is null:
                    Start(call.Name);
                    break;
                case ReplyEvent.ToolCallArguments arguments when StopString is null:
                    _events.TryWrite(new GenerationEvent.CallArguments(_calls - 1, arguments.Json));
                    break;
                case ReplyEvent.ToolCalled called when StopString is null:
                    _callsMade.Add(called.Call with { Id = _id });
                    _scores.Clear();
                    _events.TryWrite(new GenerationEvent.CallEnded(_calls - 1));
                    break;
                case ReplyEvent.Markup:
                    _scores.Clear();
                    break;
            }
        }
    }

    private void Answer(string text)
    {
        if (text.Length > 0)
        {
            _answer.Append(text);
            _events.TryWrite(new GenerationEvent.Answer(text) { Tokens = TakeScores() });
        }
    }

    private void Start(string name)
    {
        // No stop string reaches across a call.
        Answer(_stops.Flush());
        _stops = new StopStrings(_stopStrings);
        _id = "call_" + RandomNumberGenerator.GetString(IdAlphabet, IdLength);
        _scores.Clear();
        _events.TryWrite(new GenerationEvent.CallStarted(_calls++, _id, name));
    }

    private TokenScore[] TakeScores()
    {
        TokenScore[] scores = [.. _scores];
        _scores.Clear();
        return scores;
    }
}
