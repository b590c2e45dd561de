using Fathom.Model;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;

namespace Fathom.Train.Model;

/// <summary>The losses of a step, in nats, none of them weighed.</summary>
/// <param name="CrossEntropy">mean over rows with a target</param> <param name="Mtp">the same of the MTP block</param>
/// <param name="Text">mean over targets that are no answers, null if there are none</param> <param name="Answers">mean over answers, null if there are none</param>
internal readonly record struct StepLosses(double CrossEntropy, double Mtp, double? Text, double? Answers);

/// <summary>The forward pass on the tape, in the order of the engine's. Read on in <see cref="Block"/>.</summary>
internal sealed class Transformer
{
    // Below this share of rows with a target, the others are left out of the head.
    private const double FewTargets = 0.75;

    private readonly ModelConfig _config;
    private readonly Parameters _p;
    private readonly Block[] _blocks;
    private readonly MultiTokenPrediction? _mtp;

    public Transformer(Parameters parameters)
    {
        _p = parameters;
        _config = parameters.Config;
        _blocks = [.. Enumerable.Range(0, _config.LayerCount).Select(layer => new Block(_config, LayerPlan.For(_config, layer), parameters))];
        _mtp = _config.MtpLayerCount > 0 ? new MultiTokenPrediction(_config, parameters) : null;
    }

    /// <summary>Records the whole loss of a batch, so that <see cref="Tape.Backward"/> gives every gradient.</summary>
    public StepLosses Forward(Step step)
    {
        Variable streams = Streams(step);
        StepLosses main = Loss(step, streams, (-1, step.Batch.Targets.ToArray()), step.Weights.Main);
        if (_mtp is null || step.Weights.Mtp == 0)
        {
            return main;
        }
        StepLosses mtp = Loss(step, _mtp.Forward(step, streams), (_config.LayerCount, MultiTokenPrediction.Targets(step.Batch)), step.Weights.Mtp);
        return main with { Mtp = mtp.CrossEntropy };
    }

    /// <summary>The logits of every row, (T, vocabulary).</summary>
    public Variable Logits(Step step) => Output.Forward(step.Tape, _config, Streams(step), _p, -1, step.Streams);

    private Variable Streams(Step step)
    {
        Variable embedded = Embed.Apply(step.Tape, _p[WeightPart.Embedding], step.Batch.Tokens);   // (T) → (T, d)
        Variable streams = HcExpand.Apply(step.Tape, embedded, _config.HcMult);                     // → (T, n_hc, d), equal streams
        foreach (Block block in _blocks)
        {
            streams = block.Forward(step, streams, step.Batch.Tokens.ToArray());
        }
        return streams;
    }

    private StepLosses Loss(Step step, Variable streams, (int Layer, int[] Targets) head, float weight)
    {
        int[] wanted = [.. Enumerable.Range(0, head.Targets.Length).Where(t => head.Targets[t] != PackedBatch.NoTarget)];
        var targets = new TargetGroups(step.Batch, head.Targets);
        if (wanted.Length < FewTargets * head.Targets.Length)
        {
            streams = GatherRows.Apply(step.Tape, streams, wanted);
            head.Targets = [.. wanted.Select(t => head.Targets[t])];
            targets = targets.Of(wanted);
        }
        Variable logits = Output.Forward(step.Tape, _config, streams, _p, head.Layer, step.Streams);
        return targets.Losses(CrossEntropy.Apply(step.Tape, logits, head.Targets, targets.Factors(weight)).Span);
    }
}
