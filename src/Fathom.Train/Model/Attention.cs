using Fathom.Model;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;

namespace Fathom.Train.Model;

/// <summary>
/// Attention (§2.3 of the report): low-rank queries; one row per token that is key and value of every head; a sliding window united with
/// compressed rows under one softmax with a sink; RoPE undone on the output; a grouped low-rank output projection.
/// </summary>
internal sealed class Attention(ModelConfig config, LayerPlan plan, Parameters p)
{
    private readonly Compressor? _compressor = plan.Attention == AttentionKind.Window ? null : new Compressor(config, plan, p, forIndex: false);
    private readonly LightningIndexer? _indexer = plan.Attention == AttentionKind.Csa ? new LightningIndexer(config, plan, p) : null;

    /// <param name="step">the batch</param> <param name="x">normed input, (T, d)</param>
    public Variable Forward(Step step, Variable x)
    {
        Tape tape = step.Tape;
        Memory<float> angles = step.Angles(plan);
        Entries entries = step.EntriesOf(plan);
        int c = config.HeadDim;
        Variable latent = MatMul.Apply(tape, x, p[WeightPart.QueryDown, plan.Layer]);               // (T, d) → (T, q rank)
        latent = RmsNorm.Apply(tape, latent, p[WeightPart.QueryNorm, plan.Layer], config.RmsNormEpsilon);
        Variable queries = MatMul.Apply(tape, latent, p[WeightPart.QueryUp, plan.Layer]);           // → (T, n_h · c)
        Variable heads = queries.Shaped(x.Rows * config.HeadCount, c);
        queries = RmsNorm.Apply(tape, heads, null, config.RmsNormEpsilon).Shaped(x.Rows, queries.Columns);
        Rope.Apply(tape, queries, c, angles);
        Variable keyValue = MatMul.Apply(tape, x, p[WeightPart.KeyValue, plan.Layer]);              // (T, d) → (T, c)
        keyValue = CacheRows.Finish(
            tape, keyValue, p[WeightPart.KeyValueNorm, plan.Layer], config.RmsNormEpsilon, angles, step.Cache.KeyFormat);
        Variable? compressed = entries.Count == 0 ? null : _compressor?.Forward(tape, x, entries, step.EntryAngles(plan), step.Cache.KeyFormat);
        IndexerChoice? choice = entries.Count == 0 ? null : _indexer?.Forward(step, x.Detached(), latent.Detached());
        Variable attended = SparseAttention.Apply(
            tape, new AttentionInputs(queries, keyValue, compressed, p[WeightPart.Sink, plan.Layer]),
            new AttentionPlan(entries, config.SlidingWindow, choice?.Selected), choice?.Teacher);
        _indexer?.Learn(step, choice);
        Rope.Apply(tape, attended, c, angles, inverse: true);                                       // values carry RoPE; phases become relative
        Variable groups = MatMul.Apply(tape, attended, p[WeightPart.OutputDown, plan.Layer], config.OutputGroups);
        return MatMul.Apply(tape, groups, p[WeightPart.OutputUp, plan.Layer]);                      // → (T, d)
    }
}
