namespace Fathom.Grammars;

/// <summary>The positions and steps of a grammar in arrays, steps that lead nowhere left out, and the way from each position to its end.</summary>
internal sealed class GrammarNetwork
{
    /// <summary>The distance of a position from which no end can be reached.</summary>
    public const int Unreachable = int.MaxValue;

    /// <param name="edges">by position</param> <param name="ruleStarts">by rule</param> <param name="isEnd">by position</param>
    public GrammarNetwork(List<List<GrammarEdge>> edges, int[] ruleStarts, bool[] isEnd)
    {
        RuleStarts = ruleStarts;
        IsEnd = isEnd;
        Distances = Shortest(edges);
        FirstEdges = new int[edges.Count + 1];
        var kept = new List<GrammarEdge>();
        for (int position = 0; position < edges.Count; position++)
        {
            kept.AddRange(edges[position].Where(edge => Distances[edge.To] != Unreachable
                && (edge.Step != GrammarStep.Call || Distances[ruleStarts[edge.First]] != Unreachable)));
            FirstEdges[position + 1] = kept.Count;
        }

        Edges = [.. kept];
    }

    /// <summary>Steps by position.</summary>
    public GrammarEdge[] Edges { get; }

    /// <summary>The first step of each position, and the number of steps.</summary>
    public int[] FirstEdges { get; }

    /// <summary>Where each rule starts.</summary>
    public int[] RuleStarts { get; }

    /// <summary>Whether a rule ends at a position.</summary>
    public bool[] IsEnd { get; }

    /// <summary>Symbols from each position to the end of its rule at least.</summary>
    public int[] Distances { get; }

    // Dijkstra from the ends, in Knuth's form for grammars: a call counts once both the rule's start and the position behind it are settled.
    private int[] Shortest(List<List<GrammarEdge>> edges)
    {
        var distances = new int[edges.Count];
        Array.Fill(distances, Unreachable);
        var into = new List<(int From, GrammarEdge Edge)>?[edges.Count];
        for (int from = 0; from < edges.Count; from++)
        {
            foreach (GrammarEdge edge in edges[from])
            {
                (into[edge.To] ??= []).Add((from, edge));
                if (edge.Step == GrammarStep.Call)
                    (into[RuleStarts[edge.First]] ??= []).Add((from, edge));
            }
        }

        var open = new PriorityQueue<int, int>();
        for (int position = 0; position < edges.Count; position++)
        {
            if (IsEnd[position])
                open.Enqueue(position, 0);
        }

        while (open.TryDequeue(out int settled, out int distance))
        {
            if (distances[settled] != Unreachable)
                continue;
            distances[settled] = distance;
            foreach ((int from, GrammarEdge edge) in into[settled] ?? [])
            {
                long length = Length(edge, distances);
                if (length < Unreachable && distances[from] == Unreachable)
                    open.Enqueue(from, (int)length);
            }
        }

        return distances;
    }

    private long Length(GrammarEdge edge, int[] distances) => distances[edge.To] + edge.Step switch
    {
        GrammarStep.Symbol => 1L,
        GrammarStep.Skip => 0L,
        _ => distances[RuleStarts[edge.First]],
    };
}
