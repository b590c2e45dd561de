using Fathom.Cache;
using Fathom.Devices;
using Fathom.Model;
using Fathom.Tests.Model;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Tests.Cache;

/// <summary>A random model, a folder for its store, and texts; every store is a new object, as after a restart.</summary>
internal sealed class StoreBench : IDisposable
{
    private readonly RandomModel _model;

    public StoreBench(ModelConfig? config = null, CacheFormat format = CacheFormat.Mixed, int positions = 8192)
    {
        ModelConfig shape = (config ?? TinyModels.Flash) with { MaxPositions = positions };
        _model = RandomModel.Write(shape, StoredAs.Released);
        Engine = new TinyEngine(_model, format, decorate: device => Rows = new RowCounter(device));
        Logits = new float[shape.VocabularySize];
    }

    public TinyEngine Engine { get; }

    public RowCounter Rows { get; private set; } = null!;

    public TempFolder Folder { get; } = new();

    public List<string> Reports { get; } = [];

    public float[] Logits { get; }

    public string Root => Folder.Path("store");

    public string[] Files(string pattern) => [.. Directory.EnumerateFiles(Root, pattern, SearchOption.AllDirectories).Order(StringComparer.Ordinal)];

    public PrefixStore Open(string tenant = "", long budget = long.MaxValue, byte[]? key = null, TimeProvider? clock = null, string part = "model 1") => new(
        Root, new CacheNamespace("tiny", [part], tenant), Engine.Device, Engine.Transformer.Layout,
        new StoreOptions { BudgetBytes = budget, Key = key, Report = Reports.Add, Clock = clock ?? TimeProvider.System });

    /// <summary>Tokens of a text; texts of different seeds part at the first.</summary>
    public int[] Text(int length, int seed = 1)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(i => i == 0 ? seed % Engine.Config.VocabularySize : random.Next(Engine.Config.VocabularySize))];
    }

    /// <summary>A cold sequence of these tokens, with the logits of the last in <see cref="Logits"/>.</summary>
    public SequenceCache Cold(ReadOnlySpan<int> tokens)
    {
        SequenceCache sequence = Engine.Transformer.NewSequence();
        Feed(sequence, tokens);
        return sequence;
    }

    /// <summary>Reads on; the logits of the last token are in <see cref="Logits"/> and returned as bits.</summary>
    public int[] Feed(SequenceCache sequence, ReadOnlySpan<int> tokens)
    {
        int[] bits = Engine.FeedLong(sequence, tokens).Logits[^1];
        for (int i = 0; i < bits.Length; i++)
            Logits[i] = BitConverter.Int32BitsToSingle(bits[i]);
        return bits;
    }

    /// <summary>Restores what there is and reads the rest: tokens restored, and the bits of the last logits.</summary>
    public (int Restored, int[] Bits) Warm(PrefixStore store, ReadOnlySpan<int> tokens)
    {
        using SequenceCache sequence = Engine.Transformer.NewSequence();
        int restored = store.Restore(tokens, sequence, Logits);
        if (restored < tokens.Length)
            return (restored, Feed(sequence, tokens[restored..]));
        return (restored, [.. Logits.Select(BitConverter.SingleToInt32Bits)]);
    }

    /// <summary>What is found and what is said: so many tokens, and these bits.</summary>
    public void AssertWarm(int expectedRestored, int[] expectedBits, PrefixStore store, ReadOnlySpan<int> tokens)
    {
        (int restored, int[] bits) = Warm(store, tokens);
        Assert.Equal(expectedRestored, restored);
        Assert.Equal(expectedBits, bits);
    }

    /// <summary>The bits of a run without any store.</summary>
    public int[] Expected(ReadOnlySpan<int> tokens)
    {
        using SequenceCache sequence = Engine.Transformer.NewSequence();
        return Feed(sequence, tokens);
    }

    public void Dispose()
    {
        Engine.Dispose();
        _model.Dispose();
        Folder.Dispose();
    }
}

/// <summary>Counts the rows that were embedded, which are those that were computed.</summary>
internal sealed class RowCounter(Device inner) : DeviceDecorator(inner)
{
    public int Count { get; set; }

    public override void Embed(in Tensors.Tensor table, in Tensors.Tensor ids, in Tensors.Tensor y)
    {
        Count += ids.Columns;
        base.Embed(in table, in ids, in y);
    }
}
