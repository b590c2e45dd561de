namespace Fathom.Prompts;

/// <summary>
/// Splits a reply into thinking, answer and tool calls while it is being written. Only what might be the start of a marker is held back.
/// Every way to cut the text into pushes gives the same events, up to where neighbouring texts are cut. One reply per parser; one thread at a time.
/// It accepts what DeepSeek's parser accepts, except a call that is cut off before its end, and goes on reading where that one gives up.
/// </summary>
public sealed class ReplyParser
{
    private static readonly string[] s_marks =
    [
        ToolCallReader.BlockOpen,
        ToolCallReader.BareBlockOpen,
        ToolCallReader.InvokeOpen,
        ProtocolTokens.EndOfSentence,
        ProtocolTokens.ThinkClose,
        ProtocolTokens.ThinkOpen,
        ProtocolTokens.BeginOfSentence,
        ProtocolTokens.Dsml,
    ];

    // Where the markup of a broken block may end.
    private static readonly string[] s_marksBehindBroken = [ToolCallReader.BlockClose, ToolCallReader.BlockOpen, ProtocolTokens.EndOfSentence];

    private readonly TextWindow _window = new();
    private readonly ToolCallReader _calls;
    private List<ReplyEvent> _events = [];
    private Place _place;
    private bool _malformed;

    /// <summary>A parser for one reply.</summary>
    /// <param name="thinking">
    /// Thinking when the prompt ended with the opening think marker; chat otherwise, also where the reply continues an open assistant turn or
    /// answers a quick task.
    /// </param>
    public ReplyParser(ThinkingMode thinking)
    {
        _calls = new ToolCallReader(_window);
        _place = thinking == ThinkingMode.Thinking ? Place.Reasoning : Place.Answer;
    }

    private enum Place
    {
        Reasoning,
        Answer,
        Calls,
        AfterCalls,
        Broken,
        Ended,
    }

    /// <summary>Whether the reasoning goes on, as far as is certain.</summary>
    public bool IsReasoning => _place == Place.Reasoning;

    /// <summary>Takes more of the reply. Control tokens count by their text: push EOS too when the model has written it.</summary>
    /// <returns>What is now certain; often nothing.</returns>
    public IReadOnlyList<ReplyEvent> Push(string text)
    {
        _window.Append(text);
        return Advance(isFinal: false);
    }

    /// <summary>Says that nothing more will come.</summary>
    /// <returns>What had been held back, and whether the reply was incomplete.</returns>
    public IReadOnlyList<ReplyEvent> Complete()
    {
        IReadOnlyList<ReplyEvent> events = Advance(isFinal: true);
        if (_place == Place.Reasoning)
            Report($"reply: expected {ProtocolTokens.ThinkClose} after the reasoning, found the end of the text; was it cut off by a token limit?");
        else if (_place is Place.Answer or Place.Broken)
            Report($"reply: expected {ProtocolTokens.EndOfSentence} after the answer, found the end of the text; was it cut off by a token limit?");
        _place = Place.Ended;
        return events;
    }

    private List<ReplyEvent> Advance(bool isFinal)
    {
        _events = [];
        bool goesOn = true;
        while (goesOn)
        {
            goesOn = _place switch
            {
                Place.Reasoning or Place.Answer => ReadText(isFinal),
                Place.Calls => ReadCalls(isFinal),
                Place.AfterCalls => ReadAfterCalls(isFinal),
                Place.Broken => ReadBroken(isFinal),
                _ => ReadAfterEnd(),
            };
        }
        return _events;
    }

    private bool ReadText(bool isFinal)
    {
        (int at, string? mark) = FindMark(_window.Text, s_marks, isFinal);
        Emit(at);
        switch (mark)
        {
            case null:
                return false;
            case ToolCallReader.BlockOpen or ToolCallReader.BareBlockOpen or ToolCallReader.InvokeOpen:
                if (_place == Place.Reasoning)
                    Report($"reply: expected {ProtocolTokens.ThinkClose} before the tool calls, found none.");
                if (mark != ToolCallReader.BlockOpen)
                    Report($"tool calls: expected an empty line and <{ProtocolTokens.Dsml}tool_calls> in front, found {mark} alone.");
                _calls.Begin(mark);
                _place = Place.Calls;
                return true;
            case ProtocolTokens.EndOfSentence:
                if (_place == Place.Reasoning)
                    Report($"reply: expected {ProtocolTokens.ThinkClose} after the reasoning, found {ProtocolTokens.EndOfSentence}.");
                _window.Drop(mark.Length);
                _place = Place.Ended;
                return true;
            case ProtocolTokens.ThinkClose when _place == Place.Reasoning:
                _window.Drop(mark.Length);
                _place = Place.Answer;
                return true;
            default:
                Report($"reply: expected plain text in the {(_place == Place.Reasoning ? "reasoning" : "answer")}, found the control token {mark}.");
                EmitMarkup(mark.Length);
                return true;
        }
    }

    private bool ReadCalls(bool isFinal)
    {
        switch (_calls.Read(isFinal))
        {
            case ToolCallReader.Result.Started started:
                _events.Add(new ReplyEvent.ToolCallStarted(started.Name));
                return true;
            case ToolCallReader.Result.Arguments arguments:
                AddArguments(arguments.Json);
                return true;
            case ToolCallReader.Result.Call call:
                _events.Add(new ReplyEvent.ToolCalled(call.Value));
                return true;
            case ToolCallReader.Result.BlockEnd:
                _place = Place.AfterCalls;
                return true;
            case ToolCallReader.Result.Broken broken:
                Report(broken.Reason);
                _place = Place.Broken;
                EmitMarkup(broken.Length);
                return true;
            default:
                return false;
        }
    }

    private bool ReadBroken(bool isFinal)
    {
        (int at, string? mark) = FindMark(_window.Text, s_marksBehindBroken, isFinal);
        EmitMarkup(at);
        if (mark is null)
            return false;
        if (mark == ToolCallReader.BlockClose)
            EmitMarkup(mark.Length);
        _place = Place.Answer;
        return true;
    }

    private bool ReadAfterCalls(bool isFinal)
    {
        ReadOnlySpan<char> text = _window.Text;
        if (text.StartsWith(ProtocolTokens.EndOfSentence, StringComparison.Ordinal))
        {
            _window.Drop(ProtocolTokens.EndOfSentence.Length);
            _place = Place.Ended;
            return true;
        }
        if (text.IsEmpty || !isFinal && ProtocolTokens.EndOfSentence.AsSpan().StartsWith(text, StringComparison.Ordinal))
            return false;
        Report($"reply: expected {ProtocolTokens.EndOfSentence} after the tool calls, found other text.");
        _place = Place.Answer;
        return true;
    }

    private bool ReadAfterEnd()
    {
        if (_window.Text.IsEmpty)
            return false;
        Report($"reply: expected nothing after {ProtocolTokens.EndOfSentence}, found more text; it is left out.");
        _window.Drop(_window.Text.Length);
        return false;
    }

    /// <summary>The first marker, or the place from which the text could still become one.</summary>
    private static (int At, string? Mark) FindMark(ReadOnlySpan<char> text, string[] marks, bool isFinal)
    {
        int at = 0;
        while (true)
        {
            int next = text[at..].IndexOfAny('\n', '<', '｜');       // every marker starts with one of these
            if (next < 0)
                return (text.Length, null);
            at += next;
            ReadOnlySpan<char> rest = text[at..];
            foreach (string mark in marks)
            {
                if (rest.StartsWith(mark, StringComparison.Ordinal))
                    return (at, mark);
                if (!isFinal && mark.AsSpan().StartsWith(rest, StringComparison.Ordinal))
                    return (at, null);
            }
            at++;
        }
    }

    private void Emit(int length)
    {
        if (length == 0)
            return;
        string text = _window.Text[..length].ToString();
        _window.Drop(length);
        _events.Add(_place == Place.Reasoning ? new ReplyEvent.Thinking(text) : new ReplyEvent.Text(text));
    }

    private void EmitMarkup(int length)
    {
        if (length == 0)
            return;
        _events.Add(new ReplyEvent.Markup(_window.Text[..length].ToString(), _place == Place.Reasoning));
        _window.Drop(length);
    }

    private void AddArguments(string json)
    {
        if (_events is [.., ReplyEvent.ToolCallArguments last])
            _events[^1] = new ReplyEvent.ToolCallArguments(last.Json + json);
        else
            _events.Add(new ReplyEvent.ToolCallArguments(json));
    }

    private void Report(string reason)
    {
        if (!_malformed)
            _events.Add(new ReplyEvent.Malformed(reason));
        _malformed = true;
    }
}
