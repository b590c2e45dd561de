using Fathom.Text;

namespace Fathom.Train.Data.Tasks;

/// <summary>
/// Real prose to hide needles in. Chunks end behind a full stop and begin with a blank and a letter, so that tokens around a cut are those that
/// the whole text would have.
/// </summary>
public sealed class Prose
{
    private readonly int[] _ids;            // without EOS and other control tokens
    private readonly bool[] _isCut;         // by token: whether it begins a sentence
    private readonly List<int> _cuts = [];

    /// <param name="dataset">of the split: training prose for training, held-out prose for tests</param> <param name="tokenizer">its tokenizer</param>
    /// <exception cref="ArgumentException">The text has no sentence end inside a document.</exception>
    public Prose(TokenDataset dataset, Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        ArgumentNullException.ThrowIfNull(tokenizer);
        _ids = [.. dataset.Ids.ToArray().Where(id => !tokenizer.IsAdded(id))];
        var ends = new bool[tokenizer.VocabularySize];
        var begins = new bool[tokenizer.VocabularySize];
        for (int id = 0; id < ends.Length; id++)
        {
            ReadOnlySpan<byte> bytes = tokenizer.TokenBytes(id);
            ends[id] = bytes is [.., (byte)'.'];
            begins[id] = bytes is [(byte)' ', >= (byte)'A' and <= (byte)'Z', ..];
        }

        _isCut = new bool[_ids.Length];
        for (int i = 1; i < _ids.Length; i++)
        {
            _isCut[i] = ends[_ids[i - 1]] && begins[_ids[i]];
            if (_isCut[i])
                _cuts.Add(i);
        }

        if (_cuts.Count == 0)
            throw new ArgumentException("The prose has no full stop with a sentence behind it.", nameof(dataset));
    }

    /// <summary>Its tokens; a longer stretch repeats it.</summary>
    public int Length => _ids.Length;

    /// <summary>
    /// A stretch of exactly <paramref name="length"/> tokens that ends with a sentence, with the places inside, and at its end, where a sentence
    /// of another text fits. It may span documents, and begins the dataset anew where that ends.
    /// </summary>
    internal (int[] Tokens, List<int> Places) Take(SeededRandom random, int length)
    {
        int end = _cuts[random.Next(_cuts.Count)];
        int lap = _ids.Length;
        int at = (int)(((end - (long)length) % lap + lap) % lap);
        var tokens = new int[length];
        var places = new List<int>();
        for (int i = 0; i < length; i++)
        {
            if (i > 0 && _isCut[at])
                places.Add(i);
            tokens[i] = _ids[at];
            at = at + 1 < lap ? at + 1 : 0;
        }

        places.Add(length);
        return (tokens, places);
    }
}
