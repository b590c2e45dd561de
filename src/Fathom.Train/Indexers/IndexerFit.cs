using Fathom.Cpu.Kernels;
using Fathom.Model;
using Fathom.Tensors;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;
using Fathom.Train.Model;
using LightningIndexer = Fathom.Train.Model.LightningIndexer;
using Rope = Fathom.Train.Autograd.Ops.Rope;

namespace Fathom.Train.Indexers;

/// <summary>
/// One layer's indexer against what attention did in a captured text: the divergence over all visible entries, each token counting as much as its
/// mass on entries, for a token that looks into its window alone says nothing of what to retrieve.
/// </summary>
/// <remarks>
/// Weighed so, the loss is −Σ_t Σ_p a_t,p log softmax(I_t)_p / Σ a up to a constant: entries count by the attention that is lost with them, which
/// is what recall measures.
/// </remarks>
internal sealed class IndexerFit(ModelConfig config, LayerPlan plan, Parameters p)
{
    // Tokens rated at once while measuring.
    private const int MeasuredRows = 256;
    private const int Few = 64;

    private readonly LightningIndexer _indexer = new(config, plan, p);
    private readonly float[] _frequencies = RopeFrequencies.Compressed(config);
    private readonly RowFormat _format = new CacheLayout(config, CacheFormat.F32).IndexFormat;

    /// <summary>Records the loss of some of the tokens looked at; returns it.</summary>
    /// <param name="tape">where to record</param> <param name="capture">of the layer</param> <param name="picked">which of them, ascending</param>
    public double Learn(Tape tape, LayerCapture capture, int[] picked)
    {
        (Variable scores, Variable teacher, Entries entries) = Rate(tape, capture, picked);
        return IndexerLoss.Apply(tape, scores, teacher, entries, selected: null, factor: 1, byMass: true);
    }

    /// <summary>How well the indexer agrees with attention over all tokens looked at.</summary>
    /// <param name="tape">for memory and threads; reset</param> <param name="capture">of the layer</param> <param name="predictsAnswer">of each token looked at</param>
    public IndexerFigures Measure(Tape tape, LayerCapture capture, bool[] predictsAnswer)
    {
        var sums = new FigureSums(plan.Layer, config.HeadCount);
        for (int first = 0; first < capture.Places.Length; first += MeasuredRows)
        {
            tape.Reset();
            int[] picked = [.. Enumerable.Range(first, Math.Min(MeasuredRows, capture.Places.Length - first))];
            (Variable scores, Variable teacher, Entries entries) = Rate(tape, capture, picked);
            double mass = picked.Sum(i => (double)capture.Teacher[i].Total);
            double divergence = IndexerLoss.Apply(tape, scores, teacher, entries, selected: null, factor: 0, byMass: true);
            var found = new (double Most, double Few)[picked.Length];
            tape.ParallelLarge(picked.Length, (i, _) => found[i] = (
                Found(scores.Row(i), capture.Teacher[picked[i]], entries.VisibleTo(i), config.IndexTopK),
                Found(scores.Row(i), capture.Teacher[picked[i]], entries.VisibleTo(i), Few)));
            sums.AddDivergence(divergence, mass);
            for (int i = 0; i < picked.Length; i++)
            {
                sums.Add(capture.Teacher[picked[i]], found[i], config.IndexTopK, Few, predictsAnswer[picked[i]]);
            }
        }
        tape.Reset();
        return sums.Figures;
    }

    /// <summary>Scores of some tokens for all entries they see, and their teacher, both (tokens, entries).</summary>
    internal (Variable Scores, Variable Teacher, Entries Entries) Rate(Tape tape, LayerCapture capture, int[] picked)
    {
        int[] places = [.. picked.Select(i => capture.Places[i])];
        var entries = new Entries(capture.Length, plan.Ratio, places);
        int[] positions = [.. Enumerable.Range(0, entries.Count).Select(e => e * plan.Ratio)];
        Variable inputs = capture.Inputs, x = tape.New(picked.Length, inputs.Columns, needsGradient: false);
        Variable latents = tape.New(picked.Length, config.QueryRank, needsGradient: false);
        for (int i = 0; i < picked.Length; i++)
        {
            inputs.Row(places[i]).CopyTo(x.Row(i));
            capture.Latent(picked[i]).CopyTo(latents.Row(i));
        }
        Variable scores = _indexer.Rate(
            tape, inputs, new IndexerQueries(x, latents, Rope.Angles(tape, places, _frequencies)), entries, Rope.Angles(tape, positions, _frequencies), _format);
        Variable teacher = tape.New(picked.Length, scores.Columns, needsGradient: false);
        teacher.Value.Span.Clear();
        for (int i = 0; i < picked.Length; i++)
        {
            EntryMass mass = capture.Teacher[picked[i]];
            for (int e = 0; e < mass.Entries.Length; e++)
            {
                teacher.Row(i)[mass.Entries[e]] = mass.Mass[e];
            }
        }
        return (scores, teacher, entries);
    }

    private static double Found(ReadOnlySpan<float> scores, EntryMass teacher, int visible, int count)
    {
        var chosen = new int[count];
        TopK.Run(scores[..visible], visible, chosen);
        double found = 0;
        int at = 0;
        for (int i = 0; i < teacher.Entries.Length; i++)
        {
            while (at < count && chosen[at] >= 0 && chosen[at] < teacher.Entries[i])
            {
                at++;
            }
            found += at < count && chosen[at] == teacher.Entries[i] ? teacher.Mass[i] : 0;
        }
        return found;
    }
}
