using System.Text;

namespace Fathom.Prompts;

/// <summary>
/// Reads a block of tool calls by DeepSeek's grammar, which cuts at the markup and checks what stands between the cuts. It keeps its place in the
/// window between pushes and removes text only when a call is complete, so that a broken call can still be shown as it was written; what is certain
/// of a call is told before that.
/// </summary>
internal sealed class ToolCallReader(TextWindow window)
{
    /// <summary>Starts a block; the empty line belongs to it.</summary>
    public const string BlockOpen = $"\n\n{BareBlockOpen}";

    /// <summary>The same where the model forgot the empty line.</summary>
    public const string BareBlockOpen = $"<{ProtocolTokens.Dsml}tool_calls";

    /// <summary>Ends a block.</summary>
    public const string BlockClose = $"</{ProtocolTokens.Dsml}tool_calls>";

    /// <summary>Starts a call.</summary>
    public const string InvokeOpen = $"<{ProtocolTokens.Dsml}invoke";

    private const string InvokeClose = $"</{ProtocolTokens.Dsml}invoke";
    private const string ParameterOpen = $"<{ProtocolTokens.Dsml}parameter";
    private const string ParameterClose = $"/{ProtocolTokens.Dsml}parameter";     // its «<» ends the value: the grammar of the reference
    private const string TagEnd = ">\n";
    private const string NameEnd = "\">\n";
    private const string ParameterNameStart = " name=\"";

    // What may stand at the end of a value and belong to its closing tag.
    private static readonly string[] s_valueEnds = ["<" + ParameterClose, "<\n" + ParameterClose, ParameterClose];

    private readonly HashSet<string> _parameters = [];
    private readonly StringBuilder _arguments = new();
    private Expected _expected;
    private string _name = "";
    private bool _valueIsText;
    private int _at;             // the window is understood up to here
    private int _searched;       // and holds no stop before here
    private int _told;           // of a value, up to here it was told
    private int _toldArguments;  // characters of the arguments that were told

    private enum Expected
    {
        Invoke,
        Name,
        ParameterHead,
        Value,
        AfterParameter,
        CallEnd,
    }

    /// <summary>What reading came to. A closed set.</summary>
    public abstract record Result
    {
        /// <summary>More text is needed.</summary>
        public sealed record More : Result;

        /// <summary>A call begins.</summary>
        public sealed record Started(string Name) : Result;

        /// <summary>More of its arguments, as JSON text.</summary>
        public sealed record Arguments(string Json) : Result;

        /// <summary>A call is complete.</summary>
        public sealed record Call(ToolCall Value) : Result;

        /// <summary>The block is complete.</summary>
        public sealed record BlockEnd : Result;

        /// <summary>The grammar is violated; the first Length characters of the window belong to the broken part.</summary>
        public sealed record Broken(string Reason, int Length) : Result;
    }

    /// <summary>Starts on a block, or on a call without one.</summary>
    /// <param name="open">with what the window starts: one of the three opening marks</param>
    public void Begin(string open)
    {
        _expected = open == InvokeOpen ? Expected.Name : Expected.Invoke;
        _at = _searched = open.Length;
    }

    /// <summary>Reads up to the next thing to tell, the end of the block, an error, or the end of the window.</summary>
    public Result Read(bool isFinal)
    {
        while (true)
        {
            Result? result = _expected switch
            {
                Expected.Invoke => ReadInvokeOrEnd(isFinal),
                Expected.Name => ReadName(isFinal),
                Expected.ParameterHead => ReadParameterHead(isFinal),
                Expected.Value => ReadValue(isFinal),
                Expected.AfterParameter => ReadAfterParameter(isFinal),
                _ => EndCall(),
            };
            if (result is not null)
                return result;
        }
    }

    private Result? ReadInvokeOrEnd(bool isFinal)
    {
        // Text that ends exactly between two calls counts as ended: nothing of a call is missing.
        if (isFinal && _at == window.Text.Length)
            return Finish(new Result.BlockEnd());
        int before = _at;
        if (!TryReadUntil(InvokeOpen, BlockClose, out string text, out string stop))
            return isFinal ? CutOff() : new Result.More();
        if (text != TagEnd)
            return Broken(before, $"only a line end between the tags of the block, found {PythonJson.QuoteStart(text)}");
        if (stop == BlockClose)
            return Finish(new Result.BlockEnd());
        _expected = Expected.Name;
        return null;
    }

    private Result ReadName(bool isFinal)
    {
        int before = _at;
        if (!TryReadUntil(ParameterOpen, InvokeClose, out string head, out string stop))
            return isFinal ? CutOff() : new Result.More();

        // The name ends at the last quote; one more line end may follow, which is how the encoder writes a call without parameters.
        const string NameStart = "name=\"";
        string tag = head.TrimStart();
        string body = tag.EndsWith(NameEnd + "\n", StringComparison.Ordinal) ? tag[..^1] : tag;
        bool isName = body.StartsWith(NameStart, StringComparison.Ordinal) && body.EndsWith(NameEnd, StringComparison.Ordinal);
        if (!isName || body.Length < NameStart.Length + NameEnd.Length)
            return Broken(before, $"name=\"…\" in a call, found {PythonJson.QuoteStart(head)}");
        _name = body[NameStart.Length..^NameEnd.Length];
        _parameters.Clear();
        _arguments.Clear();
        _toldArguments = 0;
        Follow(stop);
        return new Result.Started(_name);
    }

    private void Follow(string stop)
    {
        if (stop == ParameterOpen)
        {
            _expected = Expected.ParameterHead;
            return;
        }
        _arguments.Append(_arguments.Length == 0 ? "{}" : "}");
        _expected = Expected.CallEnd;
    }

    // The key ends at the first place where a string attribute follows.
    private Result? ReadParameterHead(bool isFinal)
    {
        ReadOnlySpan<char> text = window.Text[_at..];
        int close = text.IndexOf(ParameterClose, StringComparison.Ordinal);
        bool isNamed = text.StartsWith(ParameterNameStart, StringComparison.Ordinal);
        ReadOnlySpan<char> body = close < 0 ? text : text[..close];
        int asText = isNamed ? body[ParameterNameStart.Length..].IndexOf(ProtocolTexts.ParameterString, StringComparison.Ordinal) : -1;
        int asJson = isNamed ? body[ParameterNameStart.Length..].IndexOf(ProtocolTexts.ParameterJson, StringComparison.Ordinal) : -1;
        if (asText < 0 && asJson < 0)
        {
            if (close >= 0)
                return BrokenParameter(body);
            return isFinal ? CutOff() : new Result.More();
        }
        _valueIsText = asText >= 0 && (asJson < 0 || asText < asJson);
        int nameEnd = ParameterNameStart.Length + (_valueIsText ? asText : asJson);
        string name = body[ParameterNameStart.Length..nameEnd].ToString();
        if (!_parameters.Add(name))
            return Broken(_at, $"each parameter of {_name} once, found {PythonJson.QuoteStart(name)} twice");
        _arguments.Append(_arguments.Length == 0 ? "{" : ", ").Append(PythonJson.Quote(name)).Append(_valueIsText ? ": \"" : ": ");
        _told = _searched = _at + nameEnd + (_valueIsText ? ProtocolTexts.ParameterString : ProtocolTexts.ParameterJson).Length;
        _expected = Expected.Value;
        return null;
    }

    private Result? ReadValue(bool isFinal)
    {
        ReadOnlySpan<char> text = window.Text;
        int found = text[_searched..].IndexOf(ParameterClose, StringComparison.Ordinal);
        if (found < 0)
        {
            int certain = ValueEnd(text);
            _searched = certain;
            Tell(text[_told..certain]);
            _told = certain;
            if (Untold() is { } more)
                return more;
            return isFinal ? CutOff() : new Result.More();
        }
        int stop = _searched + found;
        ReadOnlySpan<char> value = text[_told..stop];
        int end = value.EndsWith('<') ? value.Length - 1 : value.EndsWith("<\n", StringComparison.Ordinal) ? value.Length - 2 : -1;
        Tell(end < 0 ? value : value[..end]);
        _told = stop;
        if (end < 0)
            return (Result?)Untold() ?? BrokenParameter(text[_at..stop]);
        if (_valueIsText)
            _arguments.Append('"');
        _at = _searched = stop + ParameterClose.Length;
        _expected = Expected.AfterParameter;
        return Untold();
    }

    // A value that the model calls JSON is taken as it stands.
    private void Tell(ReadOnlySpan<char> value)
    {
        if (_valueIsText && value.Length > 0)
            _arguments.Append(PythonJson.Quote(value.ToString()).AsSpan()[1..^1]);
        else
            _arguments.Append(value);
    }

    private Result.Arguments? Untold()
    {
        if (_toldArguments == _arguments.Length)
            return null;
        string json = _arguments.ToString(_toldArguments, _arguments.Length - _toldArguments);
        _toldArguments = _arguments.Length;
        return new Result.Arguments(json);
    }

    /// <summary>Where the closing tag of a value may begin, or the end of the text.</summary>
    private int ValueEnd(ReadOnlySpan<char> text)
    {
        for (int at = Math.Max(_told, text.Length - ParameterClose.Length - 2); at < text.Length; at++)
        {
            foreach (string end in s_valueEnds)
            {
                if (end.AsSpan().StartsWith(text[at..], StringComparison.Ordinal))
                    return at;
            }
        }
        return text.Length;
    }

    private Result? ReadAfterParameter(bool isFinal)
    {
        int before = _at;
        if (!TryReadUntil(ParameterOpen, InvokeClose, out string text, out string stop))
            return isFinal ? CutOff() : new Result.More();
        if (text != TagEnd)
            return Broken(before, $"a line end after a parameter of {_name}, found {PythonJson.QuoteStart(text)}");
        Follow(stop);
        return null;
    }

    private Result EndCall()
    {
        if (Untold() is { } rest)
            return rest;
        _expected = Expected.Invoke;
        return Finish(new Result.Call(new ToolCall(Id: null, _name, _arguments.ToString())));
    }

    private bool TryReadUntil(string first, string second, out string before, out string stop)
    {
        (before, stop) = ("", "");
        ReadOnlySpan<char> text = window.Text[_searched..];
        int at = text.IndexOf(first, StringComparison.Ordinal), other = text.IndexOf(second, StringComparison.Ordinal);
        if (at < 0 && other < 0)
        {
            // A stop may have begun at the end of the window.
            _searched = Math.Max(_at, window.Text.Length - Math.Max(first.Length, second.Length) + 1);
            return false;
        }
        bool isFirst = at >= 0 && (other < 0 || at < other);
        stop = isFirst ? first : second;
        int found = _searched + (isFirst ? at : other);
        before = window.Text[_at..found].ToString();
        _at = _searched = found + stop.Length;
        return true;
    }

    private T Finish<T>(T result) where T : Result
    {
        window.Drop(_at);
        _at = _searched = 0;
        return result;
    }

    private Result.Broken BrokenParameter(ReadOnlySpan<char> body) =>
        Broken(_at, $"name=\"…\" string=\"true|false\" and a value in a parameter of {_name}, found {PythonJson.QuoteStart(body.ToString())}");

    private static Result.Broken Broken(int length, string expectation) => new($"tool calls: expected {expectation}.", length);

    private Result.Broken CutOff() =>
        new("tool calls: expected the closing tags, found the end of the text; was the reply cut off by a token limit?", _at);
}
