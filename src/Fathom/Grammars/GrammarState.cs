using Fathom.Engine;

namespace Fathom.Grammars;

/// <summary>All places in a grammar where a text may be at once, and what follows from them. Made by <see cref="GrammarStates"/>.</summary>
internal sealed class GrammarState(long[] places, bool isAccepting, int cost, int classes)
{
    /// <summary>Where no text goes on.</summary>
    public static GrammarState Dead { get; } = new([], false, 0, 0);

    /// <summary>Position and stack of each place, in ascending order.</summary>
    public long[] Places { get; } = places;

    /// <summary>Whether the text may end here.</summary>
    public bool IsAccepting { get; } = isAccepting;

    /// <summary>Symbols to the end of the text at least.</summary>
    public int Cost { get; } = cost;

    /// <summary>The states behind this one by class of symbol; null where nobody has asked yet.</summary>
    public GrammarState?[] Next { get; } = new GrammarState?[classes];

    /// <summary>Tokens that may come here, or null while nobody has asked.</summary>
    public TokenMask? Mask { get; set; }

    /// <summary>The largest cost behind one of those tokens.</summary>
    public int CostBehindMax { get; set; }
}
