using Fathom.Checkpoints;
using Fathom.Devices;
using Fathom.Model;
using Fathom.Train.Autograd;
using EngineTransformer = Fathom.Model.Transformer;

namespace Fathom.Train.Indexers;

/// <summary>Runs long texts through the engine and keeps what the indexers need of them. Everything in singles.</summary>
/// <param name="config">of the model</param> <param name="device">where the engine runs; not owned</param> <param name="length">tokens of a text</param>
/// <param name="tape">for threads and scratch</param>
internal sealed class LongTextReader(ModelConfig config, Device device, int length, Tape tape)
{
    private const int BatchRows = 512;

    private readonly LayerCapture?[] _byLayer =
    [
        .. Enumerable.Range(0, config.LayerCount).Select(layer => LayerPlan.For(config, layer))
            .Select(plan => plan.Attention == AttentionKind.Csa ? new LayerCapture(config, plan, length) : null),
    ];

    /// <summary>What was seen of the last text, for every CSA layer.</summary>
    public IEnumerable<LayerCapture> Layers => _byLayer.OfType<LayerCapture>();

    /// <summary>Reads a text with the weights of a folder.</summary>
    public void Read(string folder, TuningText text, CancellationToken cancellation)
    {
        foreach (LayerCapture layer in Layers)
        {
            layer.Begin(text.Places);
        }
        tape.Reset();
        using var capturing = new CapturingDevice(device, _byLayer, tape);
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        using ModelWeights weights = WeightLoader.Load(capturing, config, CheckpointReader.Open(checkpoint, config));
        using var transformer = new EngineTransformer(capturing, config, weights, CacheFormat.F32, BatchRows);
        using SequenceCache sequence = transformer.NewSequence();
        var batch = new Batch(BatchRows);
        for (int first = 0; first < text.Tokens.Length; first += BatchRows)
        {
            cancellation.ThrowIfCancellationRequested();
            batch.Clear();
            batch.Add(sequence, text.Tokens.AsSpan(first, Math.Min(BatchRows, text.Tokens.Length - first)), logitCount: 1);
            capturing.FirstPosition = first;
            transformer.Forward(batch);
        }
    }
}
