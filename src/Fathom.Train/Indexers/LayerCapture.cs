using Fathom.Model;
using Fathom.Train.Autograd;

namespace Fathom.Train.Indexers;

/// <summary>What a token attends to among the compressed entries; entries left out have next to none of it.</summary>
/// <param name="Total">mass on all entries, Σ_heads p</param> <param name="Entries">those kept, ascending</param> <param name="Mass">Σ_heads p of each</param>
internal sealed record EntryMass(float Total, int[] Entries, float[] Mass);

/// <summary>
/// What the indexer of one CSA layer saw in a text, and what attention did there: all that is needed to fit it without running the model again.
/// </summary>
internal sealed class LayerCapture(ModelConfig config, LayerPlan plan, int length)
{
    private readonly Memory<float> _inputs = Arena.Aligned(checked(length * config.HiddenSize));
    private readonly Memory<float> _entries = Arena.Aligned(length / plan.Ratio * config.HeadDim);
    private float[] _latents = [];

    public LayerPlan Plan => plan;

    /// <summary>Tokens of the text.</summary>
    public int Length => length;

    /// <summary>Of the tokens looked at, ascending.</summary>
    public int[] Places { get; private set; } = [];

    /// <summary>For each of them; filled token by token.</summary>
    public EntryMass[] Teacher { get; private set; } = [];

    /// <summary>The attention sublayer's normed inputs x, (T, d).</summary>
    public Variable Inputs => new(length, config.HiddenSize, _inputs, default);

    /// <summary>The compressed rows so far, (T / ratio, c).</summary>
    public Span<float> EntryRows => _entries.Span;

    /// <summary>Begins a text.</summary>
    public void Begin(int[] places)
    {
        Places = places;
        Teacher = new EntryMass[places.Length];
        _latents = new float[places.Length * config.QueryRank];
    }

    /// <summary>The normed query latent of a token looked at, (q rank).</summary>
    public Span<float> Latent(int index) => _latents.AsSpan(index * config.QueryRank, config.QueryRank);

    /// <summary>The tokens looked at from place <paramref name="first"/> to before <paramref name="end"/>.</summary>
    public Range Within(int first, int end) => LowerBound(first)..LowerBound(end);

    private int LowerBound(int place)
    {
        int found = Array.BinarySearch(Places, place);
        return found >= 0 ? found : ~found;
    }
}
