using Fathom.Engine;
using Fathom.Prompts;

namespace Fathom.Grammars;

/// <summary>Makes a grammar's network step by step. Positions are numbers that it gives out.</summary>
internal sealed class GrammarBuilder
{
    /// <summary>Positions at most: what a schema may cost in memory and time.</summary>
    public const int PositionsMax = 200_000;

    private readonly List<List<GrammarEdge>> _edges = [];
    private readonly List<(int Start, int End, string Path)> _rules = [];
    private readonly List<string> _controls = [];

    /// <summary>The position inside a JSON string on which nothing but JSON bears, or none.</summary>
    public int StringBody { get; set; } = Grammar.None;

    public int NewPosition()
    {
        if (_edges.Count == PositionsMax)
        {
            throw new RequestException(
                $"Schema: expected one that needs at most {PositionsMax} positions, found a larger one. Lower maxLength, maxItems or the counts in patterns, or shorten enums.");
        }

        _edges.Add([]);
        return _edges.Count - 1;
    }

    /// <summary>A part that can be called, to be filled between its start and its end.</summary>
    /// <param name="path">of what the rule stands for, for error messages</param>
    public int NewRule(string path)
    {
        _rules.Add((NewPosition(), NewPosition(), path));
        return _rules.Count - 1;
    }

    public int Start(int rule) => _rules[rule].Start;

    public int End(int rule) => _rules[rule].End;

    public void AddSymbols(int from, int first, int last, int to) => _edges[from].Add(new GrammarEdge(GrammarStep.Symbol, first, last, to));

    public void AddSkip(int from, int to) => _edges[from].Add(new GrammarEdge(GrammarStep.Skip, 0, 0, to));

    public void AddCall(int from, int rule, int to) => _edges[from].Add(new GrammarEdge(GrammarStep.Call, rule, rule, to));

    /// <summary>Appends bytes. Returns the position behind them.</summary>
    public int AddBytes(int from, ReadOnlySpan<byte> bytes)
    {
        foreach (byte next in bytes)
        {
            int to = NewPosition();
            AddSymbols(from, next, next, to);
            from = to;
        }

        return from;
    }

    /// <summary>Appends text, in which the mark of tool calls is its token. Returns the position behind it.</summary>
    public int AddProtocol(int from, string text)
    {
        string[] parts = text.Split(ProtocolTokens.Dsml);
        for (int i = 0; i < parts.Length; i++)
        {
            if (i > 0)
            {
                int to = NewPosition(), symbol = Grammar.FirstControl + Control(ProtocolTokens.Dsml);
                AddSymbols(from, symbol, symbol, to);
                from = to;
            }

            from = AddBytes(from, System.Text.Encoding.UTF8.GetBytes(parts[i]));
        }

        return from;
    }

    /// <summary>Adds the choice between texts that all lead to the same place; common beginnings are one way.</summary>
    public void AddChoice(int from, IEnumerable<byte[]> texts, int to)
    {
        var next = new Dictionary<(int Position, byte Byte), int>();
        foreach (byte[] text in texts)
        {
            int at = from;
            foreach (byte value in text)
            {
                if (!next.TryGetValue((at, value), out int behind))
                {
                    behind = NewPosition();
                    next.Add((at, value), behind);
                    AddSymbols(at, value, value, behind);
                }

                at = behind;
            }

            AddSkip(at, to);
        }
    }

    /// <summary>The language of a rule.</summary>
    /// <exception cref="RequestException">no text at all fits a rule</exception>
    public Grammar Build(int rule)
    {
        var isEnd = new bool[_edges.Count];
        foreach ((_, int end, _) in _rules)
            isEnd[end] = true;
        var network = new GrammarNetwork(_edges, [.. _rules.Select(made => made.Start)], isEnd);
        foreach ((int start, _, string path) in _rules)
        {
            if (network.Distances[start] == GrammarNetwork.Unreachable)
            {
                throw new RequestException(
                    $"{path}: expected a schema that some value of finite length fits, found one that none does. Does it need itself, or contradict itself?");
            }
        }

        return new Grammar(network, _rules[rule].Start, StringBody, _controls);
    }

    private int Control(string text)
    {
        if (!_controls.Contains(text))
            _controls.Add(text);
        return _controls.IndexOf(text);
    }
}
