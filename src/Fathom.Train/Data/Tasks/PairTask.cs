using Fathom.Prompts;
using Fathom.Text;

namespace Fathom.Train.Data.Tasks;

/// <summary>
/// Pairs of a key of one to three random tokens and a group of three digits, with a link of common words between them that is the same in all pairs of
/// the sequence, as in sentences of one wording, and up to six other words behind them; then the keys in another order, each with its answer; then new pairs,
/// until the sequence is full. A tenth to a quarter of its tokens are answers, where prose has one in a hundred. Few pairs at once, which are easy,
/// are as frequent as many. Immutable; safe from any thread.
/// </summary>
public sealed class PairTask
{
    private const int KeyTokensMax = 3;
    private const int Groups = 1000;
    private const int PairsMin = 2;

    private const int LinkWordsMax = 4;

    // An entry holds eight tokens: a pair that is alone in one is easier to find.
    private const int BetweenMax = 6;

    private readonly Tokenizer _tokenizer;
    private readonly int _begin;
    private readonly int _blank;
    private readonly int[] _words;
    private readonly int[] _values;
    private readonly int[] _links;

    // What stands between a key and a value in sentences. A word that may be a key could not be told from one.
    private static readonly string[] s_links =
    [
        " is", " was", " are", " were", " has", " had", " have", " be", " the", " of", " to", " with", " by", " for", " in", " and", " that", " as",
        " number", " there", " at", " on", " from", " they", " he", " it", ":", ",", "=", "-", "/",
    ];

    /// <param name="tokenizer">with BOS, the blank and all groups of three digits</param>
    /// <exception cref="ArgumentException">The tokenizer lacks one of them.</exception>
    public PairTask(Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _tokenizer = tokenizer;
        _begin = Id(ProtocolTokens.BeginOfSentence);
        _blank = Id(" ");
        _values = [.. Enumerable.Range(0, Groups).Select(value => Id(value.ToString("D3", System.Globalization.CultureInfo.InvariantCulture)))];
        // Keys are blanks and letters only: every kind of task has values of digits, and a cut through a letter's bytes is no text.
        _links = [.. s_links.Select(text => tokenizer.TryGetId(text, out int id) ? id : -1).Where(id => id >= 0)];
        _words =
        [
            .. Enumerable.Range(0, tokenizer.VocabularySize)
                .Where(id => !tokenizer.IsAdded(id) && !_links.Contains(id) && tokenizer.TokenBytes(id) is [_, ..] bytes && IsWord(bytes)),
        ];
    }

    /// <summary>A sequence of exactly <paramref name="length"/> tokens, without prose; BOS tokens fill what no pair fits into.</summary>
    /// <param name="seed">the same seed gives the same sample</param> <param name="length">at least 16</param>
    public TaskSample Generate(ulong seed, int length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 16);
        var random = new SeededRandom(seed, (ulong)TaskKind.Pairs);
        int keyTokens = 1 + random.Next(KeyTokensMax);
        int[] link = Link(random);
        int between = random.Next(BetweenMax + 1), each = (2 * (keyTokens + link.Length + 1)) + between;
        int most = Math.Min((length - 1) / each, _words.Length / 2);
        var tokens = new List<int>(length) { _begin };
        var asked = new List<TaskQuery>();
        var mask = new bool[length];
        var used = new HashSet<string>();
        while (length - tokens.Count >= each)
        {
            int room = (length - tokens.Count) / each, pairs = Math.Min(room, (int)(PairsMin * Math.Pow((double)most / PairsMin, random.NextShare())));
            int[][] keys = Keys(random, pairs, keyTokens, used);
            int[] values = [.. keys.Select(_ => random.Pick(_values))], order = [.. Enumerable.Range(0, pairs)];
            int[] others = [.. Enumerable.Range(0, pairs * between).Select(_ => random.Pick(_words))];
            int[] places = Write(tokens, keys, values, link, order, others);
            random.Shuffle(order.AsSpan());
            int[] answers = Write(tokens, keys, values, link, order, []);
            for (int i = 0; i < pairs; i++)
            {
                int pair = order[i];
                mask[answers[i]] = true;
                asked.Add(new TaskQuery(
                    _tokenizer.Decode(keys[pair]), _tokenizer.Decode([values[pair]]), new TokenSpan(answers[i], 1), [new TokenSpan(places[pair], 1)],
                    places[pair] / (double)(length - 1)));
            }
        }
        while (tokens.Count < length)
        {
            tokens.Add(_begin);
        }
        return new TaskSample(TaskKind.Pairs, [.. tokens], mask, asked, [.. used]);
    }

    // Nothing and a blank are each a quarter; else words, half of the time with a blank behind.
    private int[] Link(SeededRandom random)
    {
        int words = _links.Length == 0 || random.Next(2) == 0 ? 0 : 1 + random.Next(LinkWordsMax);
        bool blank = random.Next(2) == 0;
        return [.. Enumerable.Range(0, words).Select(_ => random.Pick(_links)), .. blank ? [_blank] : Array.Empty<int>()];
    }

    /// <summary>Random keys whose texts have not been used.</summary>
    private int[][] Keys(SeededRandom random, int count, int keyTokens, HashSet<string> used)
    {
        var keys = new List<int[]>();
        while (keys.Count < count)
        {
            int[] key = [.. Enumerable.Range(0, keyTokens).Select(_ => random.Pick(_words))];
            if (used.Add(_tokenizer.Decode(key)))
            {
                keys.Add(key);
            }
        }
        return [.. keys];
    }

    /// <summary>Appends pairs, with as many of the other words behind each; returns the places of their values.</summary>
    private static int[] Write(List<int> tokens, int[][] keys, int[] values, int[] link, int[] order, int[] others)
    {
        var places = new int[order.Length];
        int between = others.Length / order.Length;
        for (int i = 0; i < order.Length; i++)
        {
            tokens.AddRange(keys[order[i]]);
            tokens.AddRange(link);
            places[i] = tokens.Count;
            tokens.Add(values[order[i]]);
            tokens.AddRange(others.AsSpan(i * between, between));
        }
        return places;
    }

    private int Id(string text) => _tokenizer.TryGetId(text, out int id)
        ? id
        : throw new ArgumentException($"The tokenizer has no token '{text}', which pairs are made of. Train one with all groups of three digits.", nameof(text));

    private static bool IsWord(ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes[(bytes[0] == ' ' ? 1 : 0)..])
        {
            if (!char.IsAsciiLetter((char)b))
            {
                return false;
            }
        }
        return bytes is not [(byte)' '];
    }
}
