using Fathom.Model;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;

namespace Fathom.Train.Model;

/// <summary>How the parts of the loss are weighed.</summary>
/// <param name="Main">of the main head's cross-entropy</param> <param name="Mtp">of the MTP block's cross-entropy</param> <param name="Balance">of the sequence balance loss of every scored layer</param>
/// <param name="Indexer">of every indexer's divergence; its gradients touch the indexers alone</param>
internal sealed record LossWeights(float Main, float Mtp, float Balance, float Indexer);

/// <summary>What one packed batch has in common for all layers, and what the layers have to tell about it.</summary>
internal sealed class Step
{
    private readonly ModelConfig _config;
    private readonly Dictionary<int, Entries> _entries = [];
    private readonly Dictionary<int, Memory<float>> _entryAngles = [];
    private readonly float[] _compressFrequencies;
    private readonly Memory<float> _windowAngles;
    private readonly Memory<float> _compressAngles;

    public Step(Tape tape, ModelConfig config, PackedBatch batch, LossWeights weights)
    {
        batch.Check(config);
        Tape = tape;
        Batch = batch;
        Weights = weights;
        _config = config;
        Cache = new CacheLayout(config, CacheFormat.F32);
        _compressFrequencies = RopeFrequencies.Compressed(config);
        _windowAngles = Rope.Angles(tape, batch.Positions, RopeFrequencies.Plain(config));
        _compressAngles = Rope.Angles(tape, batch.FarPositions, _compressFrequencies);
        ExpertLoad = new int[config.CompressRatios.Count][];
        IndexerDivergence = new double[config.CompressRatios.Count];
        Recall = new double?[config.CompressRatios.Count];
    }

    public Tape Tape { get; }

    public PackedBatch Batch { get; }

    public LossWeights Weights { get; }

    /// <summary>Per layer, how often each expert was chosen.</summary>
    public int[][] ExpertLoad { get; }

    /// <summary>Per layer, the mean divergence of the indexer from its teacher.</summary>
    public double[] IndexerDivergence { get; }

    /// <summary>Per layer, the share of the teacher's mass on entries that is on those the indexer rates highest; null without an indexer.</summary>
    public double?[] Recall { get; }

    /// <summary>How many entries a query's best are for <see cref="Recall"/>; 0 to leave it out.</summary>
    public int RecallEntries { get; init; } = 64;

    /// <summary>Whether CSA attends to every visible entry, whatever the indexer rates highest.</summary>
    public bool AttendToAll { get; init; }

    /// <summary>How cached rows are rounded; F32 rounds nothing.</summary>
    public CacheLayout Cache { get; init; }

    /// <summary>Sum over scored layers.</summary>
    public double Balance { get; set; }

    /// <summary>cos and sin of every row's position, (T, r).</summary>
    public Memory<float> Angles(LayerPlan plan) => plan.UsesCompressRope ? _compressAngles : _windowAngles;

    /// <summary>The entries of a layer.</summary>
    public Entries EntriesOf(LayerPlan plan)
    {
        if (!_entries.TryGetValue(plan.Ratio, out Entries? entries))
        {
            _entries[plan.Ratio] = entries = new Entries(Batch.Samples, plan.Ratio);
        }
        return entries;
    }

    /// <summary>cos and sin of every entry's position, which is its window's first token's.</summary>
    public Memory<float> EntryAngles(LayerPlan plan)
    {
        if (!_entryAngles.TryGetValue(plan.Ratio, out Memory<float> angles))
        {
            EntryWindow[] windows = EntriesOf(plan).Windows;
            var positions = new int[windows.Length];
            for (int e = 0; e < windows.Length; e++)
            {
                positions[e] = Batch.FarPositions[windows[e].FirstRow];
            }
            _entryAngles[plan.Ratio] = angles = Rope.Angles(Tape, positions, _compressFrequencies);
        }
        return angles;
    }

    /// <summary>Constants of the hyper-connections.</summary>
    public HyperConnectionShape Streams =>
        new(_config.HcMult, _config.HcSinkhornIterations, _config.HcEpsilon, _config.RmsNormEpsilon);
}
