using System.Numerics;
using System.Runtime.InteropServices;
using Fathom.Devices;
using Fathom.Tensors;
using Fathom.Train.Data;
using Fathom.Train.Data.Tasks;

namespace Fathom.Train.Evaluation;

/// <summary>Which compressed entries attention gets to see.</summary>
public enum EntrySelection
{
    /// <summary>CSA layers see what their indexer chooses: the model as it is.</summary>
    Learned,

    /// <summary>CSA layers see as many entries as ever, drawn evenly from the visible ones.</summary>
    Random,

    /// <summary>CSA layers see the latest entries.</summary>
    Recent,

    /// <summary>CSA layers see the entries that hold the facts in question, and the indexer's best for the rest.</summary>
    Oracle,

    /// <summary>No layer sees any entry: the sliding window alone is left.</summary>
    None,
}

/// <summary>
/// Stands before a device and replaces what the indexer chooses, for ablations on unchanged weights. Where no more entries are visible than
/// the model selects, all of them are chosen, whatever the selection.
/// </summary>
public sealed class SelectionDevice(Device inner, EntrySelection selection) : DeviceDecorator(inner)
{
    private int[] _chosen = [];
    private ulong[] _drawn = [];

    /// <summary>What is selected.</summary>
    public EntrySelection Selection { get; } = selection;

    /// <summary>Of the random selection, which depends on it, the layer and the position alone.</summary>
    public ulong Seed { get; set; }

    /// <summary>The sentences whose entries the oracle forces in; none leaves the choice to the indexer.</summary>
    public IReadOnlyList<TokenSpan> Facts { get; set; } = [];

    /// <inheritdoc/>
    public override void SelectRows(in Tensor queries, in Tensor weights, in RowBlocks keys, int ratio, int firstPosition, in Tensor selection)
    {
        if (Selection is EntrySelection.Random or EntrySelection.Recent)
        {
            Choose(keys, ratio, firstPosition, selection);
            return;
        }

        base.SelectRows(queries, weights, keys, ratio, firstPosition, selection);
        if (Selection == EntrySelection.Oracle && Facts.Count > 0)
        {
            int[] forced = Entries(Facts, ratio);
            for (int t = 0; t < selection.Rows; t++)
                Force(forced, queries.Row(t), weights.Row(t), keys, ratio, firstPosition + t, selection.Row(t));
        }
    }

    /// <inheritdoc/>
    public override void SparseAttention(in Tensor queries, in ContextOperand context, in Tensor sinks, float scale, in Tensor outputs) =>
        base.SparseAttention(
            queries, Selection == EntrySelection.None ? context with { Selection = default, Ratio = 0 } : context, sinks, scale, outputs);

    /// <summary>The entries that read any token of the facts. An entry of CSA reads its own window of tokens and the one before.</summary>
    internal static int[] Entries(IReadOnlyList<TokenSpan> facts, int ratio) =>
        [.. facts.SelectMany(fact => Enumerable.Range(fact.Start / ratio, ((fact.Start + fact.Count - 1) / ratio) + 2 - (fact.Start / ratio))).Distinct().Order()];

    private void Choose(in RowBlocks keys, int ratio, int firstPosition, in Tensor selection)
    {
        int k = selection.Columns;
        int[] chosen = Room(selection.Rows * k);
        for (int t = 0; t < selection.Rows; t++)
        {
            int position = firstPosition + t, visible = (position + 1) / ratio;
            Span<int> row = chosen.AsSpan(t * k, k);
            if (Selection == EntrySelection.Recent || visible <= k)
                Run(Math.Max(0, visible - k), visible, row);
            else
                Draw(new SeededRandom(SeededRandom.Mix(Seed ^ (ulong)keys.Offset), (ulong)position), visible, row);
        }

        Upload(MemoryMarshal.AsBytes(chosen.AsSpan(0, selection.Rows * k)), selection);
    }

    private static void Run(int first, int end, Span<int> row)
    {
        for (int i = 0; i < row.Length; i++)
            row[i] = first + i < end ? first + i : -1;
    }

    // Floyd's sample without replacement, then read in order.
    private void Draw(SeededRandom random, int visible, Span<int> row)
    {
        int words = (visible + 63) / 64;
        if (_drawn.Length < words)
            _drawn = new ulong[words];
        Array.Clear(_drawn);
        for (int j = visible - row.Length; j < visible; j++)
        {
            int entry = random.Next(j + 1);
            if ((_drawn[entry / 64] >> (entry % 64) & 1) != 0)
                entry = j;
            _drawn[entry / 64] |= 1UL << (entry % 64);
        }

        int n = 0;
        for (int word = 0; word < words; word++)
        {
            for (ulong bits = _drawn[word]; bits != 0; bits &= bits - 1)
                row[n++] = (word * 64) + BitOperations.TrailingZeroCount(bits);
        }
    }

    /// <summary>Keeps the forced entries and as many of the indexer's best as fit beside them.</summary>
    private void Force(
        int[] forced, in Tensor query, in Tensor weights, in RowBlocks keys, int ratio, int position, in Tensor selection)
    {
        int k = selection.Columns, visible = (position + 1) / ratio;
        if (visible <= k)
            return;
        int[] seen = [.. forced.Where(entry => entry < visible).Take(k)];
        var chosen = new SortedSet<int>(Read(selection));
        chosen.UnionWith(seen);
        // With one of the best fewer there is at most one entry fewer in all, so this ends at exactly k.
        using Storage memory = Allocate((long)k * sizeof(int), MemoryPurpose.Activations);
        for (int best = k; chosen.Count > k;)
        {
            best -= chosen.Count - k;
            chosen = [.. seen];
            if (best > 0)
            {
                var fewer = new Tensor(memory, 0, DType.I32, 1, 1, best);
                base.SelectRows(query, weights, keys, ratio, position, fewer);
                chosen.UnionWith(Read(fewer));
            }
        }

        Upload(MemoryMarshal.AsBytes<int>([.. chosen]), selection);
    }

    private int[] Read(in Tensor selection)
    {
        var entries = new int[selection.Columns];
        Download(selection, MemoryMarshal.AsBytes(entries.AsSpan()));
        return entries;
    }

    private int[] Room(int count)
    {
        if (_chosen.Length < count)
            _chosen = new int[count];
        return _chosen;
    }
}
