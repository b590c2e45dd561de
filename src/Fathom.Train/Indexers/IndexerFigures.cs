namespace Fathom.Train.Indexers;

/// <summary>
/// How well a layer's indexer agrees with the attention it serves, over the tokens of long texts; each token counts as much as its mass on entries.
/// </summary>
/// <param name="Layer">which layer</param> <param name="Divergence">mean KL(attention ‖ softmax of the index scores) over all visible entries, nats</param>
/// <param name="Recall">share of attention's mass on entries that the index_topk best hold</param> <param name="RecallOfFew">that the 64 best hold</param>
/// <param name="AnswerRecall"><paramref name="Recall"/> over tokens that predict answers alone</param>
/// <param name="AnswerRecallOfFew"><paramref name="RecallOfFew"/> over those</param>
/// <param name="Attainable">what a perfect choice of index_topk would hold</param> <param name="AttainableOfFew">of 64</param>
/// <param name="EntryShare">share of attention that is on entries at all, the rest being on windows and sinks; a mean over heads and tokens</param>
public sealed record IndexerFigures(
    int Layer, double Divergence, double Recall, double RecallOfFew, double AnswerRecall, double AnswerRecallOfFew, double Attainable, double AttainableOfFew,
    double EntryShare);

/// <summary>Adds up what makes <see cref="IndexerFigures"/>.</summary>
/// <param name="layer">which layer</param> <param name="heads">of attention</param>
internal sealed class FigureSums(int layer, int heads)
{
    private double _divergence, _weight, _mass, _most, _few, _answerMass, _answerMost, _answerFew, _bestMost, _bestFew;
    private int _tokens;

    public IndexerFigures Figures => new(
        layer, Share(_divergence, _weight), Share(_most, _mass), Share(_few, _mass), Share(_answerMost, _answerMass), Share(_answerFew, _answerMass),
        Share(_bestMost, _mass), Share(_bestFew, _mass), Share(_mass, (double)_tokens * heads));

    public void AddDivergence(double mean, double mass)
    {
        _divergence += mean * mass;
        _weight += mass;
    }

    /// <param name="teacher">of a token</param> <param name="found">mass on the entries rated highest</param>
    /// <param name="most">entries of the larger choice</param> <param name="few">of the smaller</param> <param name="predictsAnswer">whether an answer's token follows</param>
    public void Add(EntryMass teacher, (double Most, double Few) found, int most, int few, bool predictsAnswer)
    {
        float[] falling = [.. teacher.Mass.OrderDescending()];
        _tokens++;
        _mass += teacher.Total;
        _most += found.Most;
        _few += found.Few;
        _bestMost += falling.Take(most).Sum(mass => (double)mass);
        _bestFew += falling.Take(few).Sum(mass => (double)mass);
        if (predictsAnswer)
        {
            _answerMass += teacher.Total;
            _answerMost += found.Most;
            _answerFew += found.Few;
        }
    }

    private static double Share(double part, double whole) => whole > 0 ? part / whole : 0;
}
