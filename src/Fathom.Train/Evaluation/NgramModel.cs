using System.Runtime.InteropServices;

namespace Fathom.Train.Evaluation;

/// <summary>
/// A byte n-gram with interpolated Witten–Bell smoothing, the yardstick that a language model must beat. P_n(s | c) mixes the counts behind
/// c with P_(n−1), which sees one byte less: (N(c s) + T(c) P_(n−1)) / (N(c) + T(c)), where T(c) counts the different bytes behind c;
/// P without any context begins from 1/256. Immutable; safe from any thread.
/// </summary>
public sealed class NgramModel
{
    /// <summary>Bytes of context at most.</summary>
    public const int ContextBytes = 5;

    private const int ByteValues = 256;

    // By the length of the context. Keys are its bytes, and the byte behind in counts, the first one highest.
    private readonly Dictionary<ulong, int>[] _counts = new Dictionary<ulong, int>[ContextBytes + 1];
    private readonly Dictionary<ulong, Behind>[] _contexts = new Dictionary<ulong, Behind>[ContextBytes + 1];

    /// <summary>Counts a training text.</summary>
    public NgramModel(ReadOnlySpan<byte> text)
    {
        for (int length = 0; length <= ContextBytes; length++)
        {
            Dictionary<ulong, int> counts = _counts[length] = [];
            ulong window = 0, mask = Mask(length + 1);
            for (int i = 0; i < text.Length; i++)
            {
                window = ((window << 8) | text[i]) & mask;
                if (i >= length)
                    CollectionsMarshal.GetValueRefOrAddDefault(counts, window, out _)++;
            }

            Dictionary<ulong, Behind> contexts = _contexts[length] = [];
            foreach ((ulong gram, int count) in counts)
            {
                ref Behind behind = ref CollectionsMarshal.GetValueRefOrAddDefault(contexts, gram >> 8, out _);
                behind = new Behind(behind.Total + count, behind.Distinct + 1);
            }
        }
    }

    /// <summary>Bits to write a text down, from its first byte on.</summary>
    public double Bits(ReadOnlySpan<byte> text)
    {
        double bits = 0;
        ulong before = 0;
        for (int i = 0; i < text.Length; i++)
        {
            bits -= Math.Log2(Probability(before, Math.Min(i, ContextBytes), text[i]));
            before = (before << 8) | text[i];
        }

        return bits;
    }

    private double Probability(ulong before, int most, byte next)
    {
        double p = 1.0 / ByteValues;
        for (int length = 0; length <= most; length++)
        {
            ulong context = before & Mask(length);
            // Behind a context that never occurred no longer one did either.
            if (!_contexts[length].TryGetValue(context, out Behind behind))
                break;
            _counts[length].TryGetValue((context << 8) | next, out int count);
            p = (count + (behind.Distinct * p)) / (behind.Total + behind.Distinct);
        }

        return p;
    }

    private static ulong Mask(int bytes) => (1UL << (8 * bytes)) - 1;

    private readonly record struct Behind(int Total, int Distinct);
}
