using System.Text;

namespace Fathom.Prompts;

/// <summary>
/// Reads a block of tool calls by DeepSeek's grammar, which cuts at the markup and checks what stands between the cuts. It keeps its place in the
/// window between pushes and removes text only when a call is complete, so that a broken call can still be shown as it was written.
/// </summary>
internal sealed class ToolCallReader(TextWindow window)
{
    /// <summary>Starts a block; the empty line belongs to it.</summary>
    public const string BlockOpen = $"\n\n<{ProtocolTokens.Dsml}tool_calls";

    private const string BlockClose = $"</{ProtocolTokens.Dsml}tool_calls>";
    private const string InvokeOpen = $"<{ProtocolTokens.Dsml}invoke";
    private const string InvokeClose = $"</{ProtocolTokens.Dsml}invoke";
    private const string ParameterOpen = $"<{ProtocolTokens.Dsml}parameter";
    private const string ParameterClose = $"/{ProtocolTokens.Dsml}parameter";     // its «<» ends the value: the grammar of the reference
    private const string TagEnd = ">\n";
    private const string NameEnd = "\">\n";

    private readonly List<(string Name, string Value)> _parameters = [];
    private Expected _expected;
    private string _name = "";
    private int _at;             // the window is understood up to here
    private int _searched;       // and holds no stop before here

    private enum Expected
    {
        Invoke,
        Name,
        Parameter,
        AfterParameter,
    }

    /// <summary>What reading came to. A closed set.</summary>
    public abstract record Result
    {
        /// <summary>More text is needed.</summary>
        public sealed record More : Result;

        /// <summary>A call is complete.</summary>
        public sealed record Call(ToolCall Value) : Result;

        /// <summary>The block is complete.</summary>
        public sealed record BlockEnd : Result;

        /// <summary>The grammar is violated; the first Length characters of the window belong to the broken part.</summary>
        public sealed record Broken(string Reason, int Length) : Result;
    }

    /// <summary>Starts on a block; the window starts with <see cref="BlockOpen"/>.</summary>
    public void Begin()
    {
        _expected = Expected.Invoke;
        _at = _searched = BlockOpen.Length;
    }

    /// <summary>Reads up to the next call, the end of the block, an error, or the end of the window.</summary>
    public Result Read(bool isFinal)
    {
        while (true)
        {
            Result? result = _expected switch
            {
                Expected.Invoke => ReadInvokeOrEnd(isFinal),
                Expected.Name => ReadName(isFinal),
                Expected.Parameter => ReadParameter(isFinal),
                _ => ReadAfterParameter(isFinal),
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
        if (!TryReadUntil(InvokeOpen, BlockClose, out string before, out string stop))
            return isFinal ? CutOff() : new Result.More();
        if (before != TagEnd)
            return Broken(before, stop, $"only a line end between the tags of the block, found {PythonJson.QuoteStart(before)}");
        if (stop == BlockClose)
            return Finish(new Result.BlockEnd());
        _expected = Expected.Name;
        return null;
    }

    private Result? ReadName(bool isFinal)
    {
        if (!TryReadUntil(ParameterOpen, InvokeClose, out string head, out string stop))
            return isFinal ? CutOff() : new Result.More();

        // The name ends at the last quote; one more line end may follow, which is how the encoder writes a call without parameters.
        const string NameStart = "name=\"";
        string tag = head.TrimStart();
        string body = tag.EndsWith(NameEnd + "\n", StringComparison.Ordinal) ? tag[..^1] : tag;
        bool isName = body.StartsWith(NameStart, StringComparison.Ordinal) && body.EndsWith(NameEnd, StringComparison.Ordinal);
        if (!isName || body.Length < NameStart.Length + NameEnd.Length)
            return Broken(head, stop, $"name=\"…\" in a call, found {PythonJson.QuoteStart(head)}");
        _name = body[NameStart.Length..^NameEnd.Length];
        _parameters.Clear();
        return Follow(stop);
    }

    private Result? ReadParameter(bool isFinal)
    {
        if (!TryReadUntil(ParameterClose, null, out string body, out string stop))
            return isFinal ? CutOff() : new Result.More();
        if (!TrySplitParameter(body, out string name, out string value))
            return Broken(body, stop, $"name=\"…\" string=\"true|false\" and a value in a parameter of {_name}, found {PythonJson.QuoteStart(body)}");
        if (_parameters.Exists(parameter => parameter.Name == name))
            return Broken(body, stop, $"each parameter of {_name} once, found {PythonJson.QuoteStart(name)} twice");
        _parameters.Add((name, value));
        _expected = Expected.AfterParameter;
        return null;
    }

    private Result? ReadAfterParameter(bool isFinal)
    {
        if (!TryReadUntil(ParameterOpen, InvokeClose, out string before, out string stop))
            return isFinal ? CutOff() : new Result.More();
        return before == TagEnd ? Follow(stop) : Broken(before, stop, $"a line end after a parameter of {_name}, found {PythonJson.QuoteStart(before)}");
    }

    private Result.Call? Follow(string stop)
    {
        if (stop == ParameterOpen)
        {
            _expected = Expected.Parameter;
            return null;
        }
        _expected = Expected.Invoke;
        return Finish(new Result.Call(new ToolCall(Id: null, _name, Arguments())));
    }

    private string Arguments()
    {
        var json = new StringBuilder("{");
        foreach ((string name, string value) in _parameters)
            json.Append(json.Length > 1 ? ", " : "").Append(PythonJson.Quote(name)).Append(": ").Append(value);
        return json.Append('}').ToString();
    }

    /// <summary>The key ends at the first place where a string attribute follows; a value the model calls JSON is taken as it stands.</summary>
    private static bool TrySplitParameter(string body, out string name, out string value)
    {
        const string NameStart = " name=\"";
        (name, value) = ("", "");
        if (!body.StartsWith(NameStart, StringComparison.Ordinal) || !(body.EndsWith('<') || body.EndsWith("<\n", StringComparison.Ordinal)))
            return false;
        int text = body.IndexOf(ProtocolTexts.ParameterString, NameStart.Length, StringComparison.Ordinal);
        int json = body.IndexOf(ProtocolTexts.ParameterJson, NameStart.Length, StringComparison.Ordinal);
        bool isText = text >= 0 && (json < 0 || text < json);
        int nameEnd = isText ? text : json;
        if (nameEnd < 0)
            return false;
        int valueStart = nameEnd + (isText ? ProtocolTexts.ParameterString : ProtocolTexts.ParameterJson).Length;
        int valueEnd = body.LastIndexOf('<');
        if (valueEnd < valueStart)
            return false;
        name = body[NameStart.Length..nameEnd];
        value = body[valueStart..valueEnd];
        if (isText)
            value = PythonJson.Quote(value);
        return true;
    }

    private bool TryReadUntil(string first, string? second, out string before, out string stop)
    {
        (before, stop) = ("", "");
        ReadOnlySpan<char> text = window.Text[_searched..];
        int at = text.IndexOf(first, StringComparison.Ordinal);
        int other = second is null ? -1 : text.IndexOf(second, StringComparison.Ordinal);
        if (at < 0 && other < 0)
        {
            // A stop may have begun at the end of the window.
            _searched = Math.Max(_at, window.Text.Length - Math.Max(first.Length, second?.Length ?? 0) + 1);
            return false;
        }
        bool isFirst = at >= 0 && (other < 0 || at < other);
        stop = isFirst ? first : second!;                         // other is found only where second is given
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

    private Result.Broken Broken(string before, string stop, string expectation) =>
        new($"tool calls: expected {expectation}.", _at - stop.Length - before.Length);

    private Result.Broken CutOff() =>
        new("tool calls: expected the closing tags, found the end of the text; was the reply cut off by a token limit?", _at);
}
