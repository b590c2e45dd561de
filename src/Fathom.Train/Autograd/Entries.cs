namespace Fathom.Train.Autograd;

/// <summary>
/// Where the compressed entries of a packed batch lie for one ratio: sample after sample, whole windows only. Every token asks for entries, or
/// some tokens of a single sample alone.
/// </summary>
internal sealed class Entries
{
    private readonly int[] _first;
    private readonly int[]? _places;

    public Entries(IReadOnlyList<Sample> samples, int ratio)
    {
        Samples = samples;
        Queries = samples;
        Ratio = ratio;
        _first = new int[samples.Count + 1];
        for (int s = 0; s < samples.Count; s++)
        {
            int count = ratio == 0 ? 0 : samples[s].Count / ratio;
            _first[s + 1] = _first[s] + count;
            Most = Math.Max(Most, count);
        }
        Windows = new EntryWindow[Count];
        for (int s = 0; s < samples.Count; s++)
        {
            for (int w = 0; w < CountOf(s); w++)
            {
                Windows[_first[s] + w] = new EntryWindow(samples[s].FirstRow + (w * ratio), w > 0);
            }
        }
    }

    /// <param name="tokens">of the one sample</param> <param name="ratio">tokens of an entry</param>
    /// <param name="places">of the tokens that ask, ascending: query i is that at places[i]</param>
    public Entries(int tokens, int ratio, int[] places)
        : this([new Sample(0, tokens)], ratio)
    {
        Queries = [new Sample(0, places.Length)];
        _places = places;
    }

    public IReadOnlyList<Sample> Samples { get; }

    /// <summary>The rows of queries that belong to each sample: all its tokens, or those that ask.</summary>
    public IReadOnlyList<Sample> Queries { get; }

    /// <summary>Tokens of an entry; 0 for a layer without compression.</summary>
    public int Ratio { get; }

    /// <summary>Entries of the batch.</summary>
    public int Count => _first[^1];

    /// <summary>Entries of the longest sample.</summary>
    public int Most { get; }

    /// <summary>The tokens of each entry.</summary>
    public EntryWindow[] Windows { get; }

    /// <summary>First entry of a sample.</summary>
    public int FirstOf(int sample) => _first[sample];

    /// <summary>Entries of a sample.</summary>
    public int CountOf(int sample) => _first[sample + 1] - _first[sample];

    /// <summary>Entries that the token at a place of its sample sees: those whose last token it has reached.</summary>
    public int VisibleAt(int place) => Ratio == 0 ? 0 : (place + 1) / Ratio;

    /// <summary>Entries that a query sees, by its place among its sample's queries.</summary>
    public int VisibleTo(int query) => VisibleAt(_places is null ? query : _places[query]);
}

/// <summary>The tokens of one entry.</summary>
/// <param name="FirstRow">row of its first token</param> <param name="HasBefore">whether its sample has a window before it</param>
internal readonly record struct EntryWindow(int FirstRow, bool HasBefore);
