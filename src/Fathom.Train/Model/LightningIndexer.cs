using Fathom.Model;
using Fathom.Tensors;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;

namespace Fathom.Train.Model;

/// <summary>What the indexer rated and chose.</summary>
/// <param name="Scores">I, (T, stride)</param> <param name="Selected">(T, stride), zero for what is left out; null where all visible entries are chosen</param>
/// <param name="Teacher">(T, stride), to be filled by attention</param>
internal sealed record IndexerChoice(Variable Scores, Variable? Selected, Variable Teacher);

/// <summary>Those that ask for entries: all tokens, or some.</summary>
/// <param name="X">their normed inputs, (queries, d)</param> <param name="Latent">their query latents, (queries, q rank)</param>
/// <param name="Angles">of their positions</param>
internal sealed record IndexerQueries(Variable X, Variable Latent, Memory<float> Angles);

/// <summary>
/// Chooses which compressed entries a CSA query attends to: S_w = Σ_j ω_j ReLU(q_j · k_w), the k largest. It learns from its divergence from
/// attention's own weights alone; its inputs are constants to it.
/// </summary>
internal sealed class LightningIndexer(ModelConfig config, LayerPlan plan, Parameters p)
{
    private readonly Compressor _compressor = new(config, plan, p, forIndex: true);

    /// <param name="step">the batch</param> <param name="x">normed input, detached</param> <param name="latent">query latent, detached</param>
    public IndexerChoice Forward(Step step, Variable x, Variable latent)
    {
        Entries entries = step.EntriesOf(plan);
        Variable scores = step.Tape.Learning(() =>
            Rate(step.Tape, x, new IndexerQueries(x, latent, step.Angles(plan)), entries, step.EntryAngles(plan), step.Cache.IndexFormat));
        Variable teacher = step.Tape.New(scores.Rows, scores.Columns, needsGradient: false);
        teacher.Value.Span.Clear();
        bool selects = !step.AttendToAll && entries.Most > config.IndexTopK;
        return new IndexerChoice(scores, selects ? Selection.Best(step.Tape, scores, entries, config.IndexTopK) : null, teacher);
    }

    /// <summary>Rates every entry that the queries see.</summary>
    /// <param name="tape">where to record</param> <param name="x">normed input of all tokens, from which the keys are made</param>
    /// <param name="queries">who asks</param> <param name="entries">where they lie</param> <param name="entryAngles">of the entries' positions</param>
    /// <param name="format">of an index key in the cache</param>
    /// <returns>I, (queries, stride)</returns>
    public Variable Rate(Tape tape, Variable x, IndexerQueries queries, Entries entries, Memory<float> entryAngles, RowFormat format)
    {
        Variable keys = _compressor.Forward(tape, x, entries, entryAngles, format);
        Variable heads = MatMul.Apply(tape, queries.Latent, p[WeightPart.IndexQuery, plan.Layer]);
        heads = CacheRows.Rotate(tape, CacheRows.RoundPoint(tape, heads, format), queries.Angles, format);
        Variable weights = MatMul.Apply(tape, queries.X, p[WeightPart.IndexHeadWeights, plan.Layer]);
        return IndexerScores.Apply(tape, heads, weights, keys, entries);
    }

    /// <summary>Adds the loss, once attention has filled the teacher.</summary>
    public void Learn(Step step, IndexerChoice? choice)
    {
        if (choice is null)
        {
            return;
        }
        Entries entries = step.EntriesOf(plan);
        step.IndexerDivergence[plan.Layer] = step.Tape.Learning(() => IndexerLoss.Apply(
            step.Tape, choice.Scores, choice.Teacher, entries, choice.Selected, step.Weights.Indexer));
        step.Recall[plan.Layer] = step.RecallEntries == 0 ? null : Selection.Recall(step.Tape, choice.Scores, choice.Teacher, entries, step.RecallEntries);
    }
}
