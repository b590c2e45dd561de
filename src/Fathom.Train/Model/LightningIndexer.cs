using Fathom.Model;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;

namespace Fathom.Train.Model;

/// <summary>What the indexer rated and chose.</summary>
/// <param name="Scores">I, (T, stride)</param> <param name="Selected">(T, stride), zero for what is left out; null where all visible entries are chosen</param>
/// <param name="Teacher">(T, stride), to be filled by attention</param>
internal sealed record IndexerChoice(Variable Scores, Variable? Selected, Variable Teacher);

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
        Variable keys = _compressor.Forward(step, x);
        Variable queries = MatMul.Apply(step.Tape, latent, p[WeightPart.IndexQuery, plan.Layer]);
        queries = CacheRows.RoundPoint(step.Tape, queries, step.Cache.IndexFormat);
        queries = CacheRows.Rotate(step.Tape, queries, step.Angles(plan), step.Cache.IndexFormat);
        Variable weights = MatMul.Apply(step.Tape, x, p[WeightPart.IndexHeadWeights, plan.Layer]);
        Entries entries = step.EntriesOf(plan);
        Variable scores = IndexerScores.Apply(step.Tape, queries, weights, keys, entries);
        Variable teacher = step.Tape.New(scores.Rows, scores.Columns, needsGradient: false);
        teacher.Value.Span.Clear();
        bool selects = !step.AttendToAll && entries.Most > config.IndexTopK;
        return new IndexerChoice(scores, selects ? Selection.Best(step.Tape, scores, entries, config.IndexTopK) : null, teacher);
    }

    /// <summary>Adds the loss, once attention has filled the teacher.</summary>
    public void Learn(Step step, IndexerChoice? choice)
    {
        if (choice is null)
        {
            return;
        }
        Entries entries = step.EntriesOf(plan);
        step.IndexerDivergence[plan.Layer] = IndexerLoss.Apply(
            step.Tape, choice.Scores, choice.Teacher, entries, choice.Selected, step.Weights.Indexer);
        step.Recall[plan.Layer] = step.RecallEntries == 0 ? null : Selection.Recall(step.Tape, choice.Scores, choice.Teacher, entries, step.RecallEntries);
    }
}
