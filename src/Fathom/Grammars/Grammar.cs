namespace Fathom.Grammars;

/// <summary>
/// A language of bytes and control tokens, ready to hold replies to it: see <see cref="JsonGrammar"/> and <see cref="ToolGrammar"/>, which make
/// them, and <see cref="GrammarRule"/>, which applies them. Knows no vocabulary. Immutable; safe from any thread.
/// </summary>
/// <remarks>
/// A network of positions. A step takes a symbol, nothing, or a whole rule, which is a part of the network with a start and an end; rules that
/// call one another give nesting. From every position the end can be reached: steps that lead nowhere have been taken out.
/// </remarks>
public sealed class Grammar
{
    internal const int FirstControl = 256;
    internal const int None = -1;

    private readonly GrammarEdge[] _edges;
    private readonly int[] _firstEdges;
    private readonly int[] _ruleStarts;
    private readonly bool[] _isEnd;
    private readonly int[] _distances;
    private readonly int[] _classes;

    internal Grammar(GrammarNetwork network, int start, int stringBody, IReadOnlyList<string> controls)
    {
        (_edges, _firstEdges, _ruleStarts, _isEnd, _distances) = (network.Edges, network.FirstEdges, network.RuleStarts, network.IsEnd, network.Distances);
        Start = start;
        StringBody = stringBody;
        Controls = controls;
        _classes = Classes(_edges, FirstControl + controls.Count);
        ClassCount = _classes.Length == 0 ? 0 : _classes.Max() + 1;
    }

    /// <summary>Symbols of the shortest text there is, a control token counting as one: no reply needs more tokens than that.</summary>
    public int ShortestLength => _distances[Start];

    internal int Start { get; }

    /// <summary>The position inside a JSON string on which nothing but JSON bears, or none.</summary>
    internal int StringBody { get; }

    /// <summary>Texts of the added tokens that are symbols.</summary>
    internal IReadOnlyList<string> Controls { get; }

    /// <summary>Symbols that no step tells apart are a class.</summary>
    internal int ClassCount { get; }

    internal int ClassOf(int symbol) => _classes[symbol];

    internal ReadOnlySpan<GrammarEdge> Edges(int position) => _edges.AsSpan(_firstEdges[position].._firstEdges[position + 1]);

    internal int RuleStart(int rule) => _ruleStarts[rule];

    /// <summary>Whether a rule, or the text, is complete at a position.</summary>
    internal bool IsEnd(int position) => _isEnd[position];

    /// <summary>Symbols from a position to the end of its rule at least.</summary>
    internal int Distance(int position) => _distances[position];

    private static int[] Classes(GrammarEdge[] edges, int symbols)
    {
        var begins = new bool[symbols + 1];
        foreach (GrammarEdge edge in edges)
        {
            if (edge.Step == GrammarStep.Symbol)
                (begins[edge.First], begins[edge.Last + 1]) = (true, true);
        }

        var classes = new int[symbols];
        for (int symbol = 1; symbol < symbols; symbol++)
            classes[symbol] = classes[symbol - 1] + (begins[symbol] ? 1 : 0);
        return classes;
    }
}
