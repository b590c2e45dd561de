using Fathom.Model;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;

namespace Fathom.Train.Model;

/// <summary>
/// The MTP block (§2.9): from the streams at position p and the embedding of token p + 1 it predicts token p + 2. A sample's last row has no
/// next token; it takes BOS, has no target, and no row attends to it.
/// </summary>
internal sealed class MultiTokenPrediction(ModelConfig config, Parameters p)
{
    private readonly int _layer = config.LayerCount;
    private readonly Block _block = new(config, LayerPlan.For(config, config.LayerCount), p);

    /// <summary>What each row is to predict: the next row's target.</summary>
    public static int[] Targets(PackedBatch batch) => Shift(batch, batch.Targets, PackedBatch.NoTarget);

    /// <param name="step">the batch</param> <param name="streams">the main model's before its head, (T, n_hc · d)</param>
    /// <returns>the block's streams</returns>
    public Variable Forward(Step step, Variable streams)
    {
        Tape tape = step.Tape;
        int[] next = Shift(step.Batch, step.Batch.Tokens, config.BosToken);
        int d = config.HiddenSize;
        Variable each = RmsNorm.Apply(                                                              // each stream by itself
            tape, streams.Shaped(streams.Rows * config.HcMult, d), p[WeightPart.MtpHiddenNorm, _layer], config.RmsNormEpsilon);
        each = MatMul.Apply(tape, each, p[WeightPart.MtpHidden, _layer]);
        Variable embedded = Embed.Apply(tape, p[WeightPart.Embedding], next);
        embedded = RmsNorm.Apply(tape, embedded, p[WeightPart.MtpEmbeddingNorm, _layer], config.RmsNormEpsilon);
        embedded = MatMul.Apply(tape, embedded, p[WeightPart.MtpEmbedding, _layer]);
        Variable joined = Add.Apply(tape, each, embedded);                                          // the same for every stream
        return _block.Forward(step, joined.Shaped(streams.Rows, config.HcMult * d), next);
    }

    private static int[] Shift(PackedBatch batch, ReadOnlySpan<int> ids, int last)
    {
        int[] shifted = [.. ids[1..], last];
        foreach (Sample sample in batch.Samples)
        {
            shifted[sample.FirstRow + sample.Count - 1] = last;
        }
        return shifted;
    }
}
