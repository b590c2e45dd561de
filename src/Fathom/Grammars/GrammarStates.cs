namespace Fathom.Grammars;

/// <summary>
/// Walks a grammar symbol by symbol in all ways at once. States that were met are kept, so that a step taken again is a look into a table. One
/// thread at a time.
/// </summary>
/// <remarks>
/// A place is a position and the stack of positions to return to; equal stacks are one object. A state is a set of places, which makes the
/// network deterministic as far as texts have gone (lazily: the whole set of states may be infinite). Every place can be completed by itself, so
/// a grammar so ambiguous that a state would have more than <see cref="PlacesMax"/> places loses readings there, never the way on.
/// </remarks>
internal sealed class GrammarStates
{
    public const int PlacesMax = 2048;

    private const int Empty = 0;

    private readonly Grammar _grammar;
    private readonly List<(int Parent, int Return, int Cost)> _stacks = [(Grammar.None, Grammar.None, 0)];
    private readonly Dictionary<long, int> _stackOf = [];
    private readonly HashSet<GrammarState> _states = new(new ByPlaces());
    private readonly HashSet<long> _seen = [];
    private readonly Stack<long> _open = [];
    private readonly List<long> _places = [];
    private bool _isAccepting;

    public GrammarStates(Grammar grammar)
    {
        _grammar = grammar;
        Reach(Place(grammar.Start, Empty));
        Start = Made();
    }

    /// <summary>Before the first symbol.</summary>
    public GrammarState Start { get; }

    /// <summary>States met so far.</summary>
    public int Count => _states.Count;

    /// <summary>The state behind a symbol, or null if the text cannot go on with it.</summary>
    public GrammarState? Step(GrammarState state, int symbol)
    {
        ref GrammarState? next = ref state.Next[_grammar.ClassOf(symbol)];
        next ??= Behind(state, symbol);
        return next == GrammarState.Dead ? null : next;
    }

    /// <summary>Whether nothing but being inside a JSON string of any kind bears on what comes.</summary>
    public bool IsInString(GrammarState state) =>
        state.Places.Length == 1 && !state.IsAccepting && _grammar.StringBody != Grammar.None && PositionOf(state.Places[0]) == _grammar.StringBody;

    /// <summary>A state of another walk of the same grammar, as one of this walk's.</summary>
    public GrammarState Adopt(GrammarStates other, GrammarState state)
    {
        var returns = new Stack<int>();
        foreach (long place in state.Places)
        {
            for (int at = StackOf(place); at != Empty; at = other._stacks[at].Parent)
                returns.Push(other._stacks[at].Return);
            int stack = Empty;
            while (returns.TryPop(out int position))
                stack = Push(stack, position);
            _places.Add(Place(PositionOf(place), stack));
        }

        _isAccepting = state.IsAccepting;
        return Made();
    }

    private GrammarState Behind(GrammarState state, int symbol)
    {
        foreach (long place in state.Places)
        {
            foreach (GrammarEdge edge in _grammar.Edges(PositionOf(place)))
            {
                if (edge.Step == GrammarStep.Symbol && edge.First <= symbol && symbol <= edge.Last)
                    Reach(Place(edge.To, StackOf(place)));
            }
        }

        return Made();
    }

    // All places with steps that take a symbol, from one place through steps that take none.
    private void Reach(long first)
    {
        _open.Push(first);
        while (_open.TryPop(out long place) && _places.Count < PlacesMax)
        {
            if (!_seen.Add(place))
                continue;
            (int position, int stack) = (PositionOf(place), StackOf(place));
            if (_grammar.IsEnd(position))
            {
                if (stack == Empty)
                    _isAccepting = true;
                else
                    _open.Push(Place(_stacks[stack].Return, _stacks[stack].Parent));
            }

            bool takesSymbols = false;
            foreach (GrammarEdge edge in _grammar.Edges(position))
            {
                takesSymbols |= edge.Step == GrammarStep.Symbol;
                if (edge.Step == GrammarStep.Skip)
                    _open.Push(Place(edge.To, stack));
                else if (edge.Step == GrammarStep.Call)
                    _open.Push(Place(_grammar.RuleStart(edge.First), Push(stack, edge.To)));
            }

            if (takesSymbols)
                _places.Add(place);
        }

        _open.Clear();
    }

    private GrammarState Made()
    {
        GrammarState made = GrammarState.Dead;
        if (_places.Count > 0 || _isAccepting)
        {
            _places.Sort();
            int cost = _isAccepting ? 0 : int.MaxValue;
            foreach (long place in _places)
                cost = (int)Math.Min(cost, (long)_grammar.Distance(PositionOf(place)) + _stacks[StackOf(place)].Cost);
            var fresh = new GrammarState([.. _places], _isAccepting, cost, _grammar.ClassCount);
            if (!_states.TryGetValue(fresh, out made!))
                _states.Add(made = fresh);
        }

        _places.Clear();
        _seen.Clear();
        _isAccepting = false;
        return made;
    }

    private int Push(int stack, int position)
    {
        long key = Place(stack, position);
        if (!_stackOf.TryGetValue(key, out int made))
        {
            made = _stacks.Count;
            long cost = (long)_stacks[stack].Cost + _grammar.Distance(position);
            _stacks.Add((stack, position, (int)Math.Min(cost, int.MaxValue / 2)));
            _stackOf.Add(key, made);
        }

        return made;
    }

    private static long Place(int position, int stack) => ((long)position << 32) | (uint)stack;

    private static int PositionOf(long place) => (int)(place >> 32);

    private static int StackOf(long place) => (int)place;

    private sealed class ByPlaces : IEqualityComparer<GrammarState>
    {
        public bool Equals(GrammarState? a, GrammarState? b) =>
            a is not null && b is not null && a.IsAccepting == b.IsAccepting && a.Places.AsSpan().SequenceEqual(b.Places);

        public int GetHashCode(GrammarState state)
        {
            var hash = new HashCode();
            hash.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(state.Places.AsSpan()));
            hash.Add(state.IsAccepting);
            return hash.ToHashCode();
        }
    }
}
