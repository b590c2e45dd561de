namespace Fathom.Train.Data.Corpus;

/// <summary>Finds held-out text in training text by runs of 13 words, whatever their case and punctuation.</summary>
public sealed class OverlapCheck
{
    private const int Words = 13;

    private readonly Dictionary<ulong, List<int>> _blocks = [];         // hash of a run of words → held-out blocks that have it
    private readonly List<int> _counts = [];                             // different runs of each block

    /// <summary>Registers a held-out block.</summary>
    public void AddHeldOut(string block)
    {
        int index = _counts.Count;
        int runs = 0;
        foreach (ulong hash in Hashes(block))
        {
            if (!_blocks.TryGetValue(hash, out List<int>? places))
                _blocks.Add(hash, places = []);
            if (places.Contains(index))
                continue;
            places.Add(index);
            runs++;
        }

        _counts.Add(runs);
    }

    /// <summary>Whether the text shares any run of words with a held-out block.</summary>
    public bool Touches(string text) => Hashes(text).Any(_blocks.ContainsKey);

    /// <summary>The share of each held-out block's runs that occur in the training texts; call it once with all of them.</summary>
    public IReadOnlyList<double> Shares(IEnumerable<string> trainingTexts)
    {
        ArgumentNullException.ThrowIfNull(trainingTexts);
        var found = new HashSet<ulong>(trainingTexts.SelectMany(Hashes).Where(_blocks.ContainsKey));
        var counts = new int[_counts.Count];
        foreach (ulong hash in found)
        {
            foreach (int block in _blocks[hash])
                counts[block]++;
        }

        return [.. counts.Select((count, block) => _counts[block] == 0 ? 0.0 : (double)count / _counts[block])];
    }

    private static IEnumerable<ulong> Hashes(string text)
    {
        var ring = new ulong[Words];
        int count = 0;
        ulong word = 0;
        for (int i = 0; i <= text.Length; i++)
        {
            char c = i < text.Length ? text[i] : ' ';
            if (char.IsAsciiLetterOrDigit(c))
            {
                word = unchecked(((word == 0 ? 14695981039346656037UL : word) ^ char.ToLowerInvariant(c)) * 1099511628211UL);
                continue;
            }

            if (word == 0 || c == '\'')
                continue;
            ring[count++ % Words] = word;
            word = 0;
            if (count >= Words)
                yield return Combine(ring, count % Words);
        }
    }

    private static ulong Combine(ulong[] ring, int first)
    {
        ulong hash = 0;
        for (int i = 0; i < Words; i++)
            hash = unchecked(((hash << 7) | (hash >> 57)) + ring[(first + i) % Words] * 0x9E3779B97F4A7C15UL);
        return hash;
    }
}
