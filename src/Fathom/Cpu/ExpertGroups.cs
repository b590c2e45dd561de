using Fathom.Cpu.Kernels;
using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Cpu;

/// <summary>The rows that go through one expert, adjacent in the sorted order.</summary>
/// <param name="Expert">the stack it is in</param>
/// <param name="Matrix">which of the stack</param>
/// <param name="FirstPair">its first (token, slot) pair</param>
/// <param name="Rows">its pairs</param>
/// <param name="IsCut">whether its rows are cut into blocks of columns</param>
internal readonly record struct ExpertGroup(ExpertOperand Expert, int Matrix, int FirstPair, int Rows, bool IsCut)
{
    /// <summary>How its rows lie in memory.</summary>
    /// <param name="stride">elements from one whole row to the next</param>
    public FactorLayout Layout(int stride) => IsCut ? FactorLayout.Blocks(Rows) : FactorLayout.Whole(stride);
}

/// <summary>
/// (Token, slot) pairs sorted by expert, so that an expert's weights are read once for all its rows. The shared expert is one more slot of
/// every token. Arrays grow to the largest batch and stay.
/// </summary>
internal sealed class ExpertGroups
{
    private int[] _counts = [];
    private int[] _rowOfPair = [];
    private float[] _weightOfPair = [];
    private int[] _pairOfSlot = [];
    private ExpertGroup[] _groups = [];
    private int _slots;
    private bool _cut;

    /// <summary>Experts with at least one row.</summary>
    public int Count { get; private set; }

    /// <summary>(Token, slot) pairs.</summary>
    public int Pairs { get; private set; }

    /// <summary>Sorts a batch.</summary>
    /// <param name="experts">I32, (T, k)</param>
    /// <param name="weights">F32, (T, k)</param>
    /// <param name="routed">the stacks</param>
    /// <param name="shared">the shared expert, or null</param>
    /// <param name="cut">whether the rows of groups that have many are cut into blocks</param>
    public void Sort(in Tensor experts, in Tensor weights, ExpertOperand routed, ExpertOperand? shared, bool cut)
    {
        _cut = cut;
        int rows = experts.Rows, k = experts.Columns, count = routed.Gate.Count;
        _slots = shared is null ? k : k + 1;
        Pairs = rows * _slots;
        Reserve(count);
        ReadOnlySpan<int> ids = experts.Span<int>();
        ReadOnlySpan<float> factors = weights.Span<float>();
        Array.Clear(_counts);
        foreach (int id in ids)
        {
            _counts[id]++;
        }
        MakeGroups(routed, count);
        for (int i = 0; i < ids.Length; i++)
        {
            (int row, int slot) = Math.DivRem(i, k);
            Place(_counts[ids[i]]++, row, slot, factors[i]);
        }
        if (shared is not null)
        {
            _groups[Count++] = Group(shared, 0, rows * k, rows);
            for (int row = 0; row < rows; row++)
            {
                Place((rows * k) + row, row, k, 1);
            }
        }
    }

    /// <summary>Begins to read the groups' weights from the disk where they may be there; which those are is known only now.</summary>
    public void WillNeed()
    {
        for (int i = 0; i < Count; i++)
        {
            _groups[i].Expert.WillNeed(_groups[i].Matrix);
        }
    }

    /// <summary>The token of a pair.</summary>
    public int RowOf(int pair) => _rowOfPair[pair];

    /// <summary>The routing weight of a pair; 1 for the shared expert.</summary>
    public float WeightOf(int pair) => _weightOfPair[pair];

    /// <summary>The pairs of a token, in slot order, the shared expert last.</summary>
    public ReadOnlySpan<int> PairsOf(int row) => _pairOfSlot.AsSpan(row * _slots, _slots);

    /// <summary>Panels of all groups' gate (or down) matrices.</summary>
    public int CountPanels(bool down)
    {
        int panels = 0;
        for (int i = 0; i < Count; i++)
        {
            panels += Panels(_groups[i], down);
        }
        return panels;
    }

    /// <summary>The group that holds panel <paramref name="item"/> of all, and which of its own panels that is.</summary>
    public ExpertGroup Find(int item, bool down, out int panel)
    {
        int i = 0;
        for (int panels = Panels(_groups[0], down); item >= panels; panels = Panels(_groups[++i], down))
        {
            item -= panels;
        }
        panel = item;
        return _groups[i];
    }

    /// <summary>The group that a pair is in.</summary>
    public ExpertGroup OfPair(int pair)
    {
        int i = 0;
        while (pair >= _groups[i].FirstPair + _groups[i].Rows)
        {
            i++;
        }
        return _groups[i];
    }

    private ExpertGroup Group(ExpertOperand expert, int matrix, int firstPair, int rows) =>
        new(expert, matrix, firstPair, rows, _cut && rows >= MatMul.ManyRows);

    private static int Panels(in ExpertGroup group, bool down) => down ? group.Expert.Down.Panels : group.Expert.Gate.Panels;

    // Counts become the first pair of each expert.
    private void MakeGroups(ExpertOperand routed, int count)
    {
        Count = 0;
        int pair = 0;
        for (int expert = 0; expert < count; expert++)
        {
            int rows = _counts[expert];
            _counts[expert] = pair;
            if (rows > 0)
            {
                _groups[Count++] = Group(routed, expert, pair, rows);
                pair += rows;
            }
        }
    }

    private void Place(int pair, int row, int slot, float weight)
    {
        _rowOfPair[pair] = row;
        _weightOfPair[pair] = weight;
        _pairOfSlot[(row * _slots) + slot] = pair;
    }

    private void Reserve(int experts)
    {
        if (_counts.Length < experts)
        {
            _counts = new int[experts];
            _groups = new ExpertGroup[experts + 1];
        }
        if (_rowOfPair.Length < Pairs)
        {
            _rowOfPair = new int[Pairs];
            _weightOfPair = new float[Pairs];
            _pairOfSlot = new int[Pairs];
        }
    }
}
