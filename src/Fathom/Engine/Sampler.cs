using System.Diagnostics;
using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace Fathom.Engine;

/// <summary>A token and the model's own log-probability of it: at temperature 1, before masks and filters.</summary>
/// <param name="Id">token id</param>
/// <param name="LogProbability">natural logarithm</param>
public readonly record struct Token(int Id, float LogProbability);

/// <summary>
/// Draws one sequence's tokens. The n-th draw depends on the seed, n and the logits alone. Allocates nothing after construction; one thread at
/// a time.
/// </summary>
public sealed class Sampler
{
    private readonly SamplingOptions _options;
    private readonly double[] _weights;
    private readonly int[] _ids;
    private readonly double[] _sortKeys;
    private readonly Queue<int> _forced = new();
    private ulong _draws;

    /// <summary>A sampler for a vocabulary.</summary>
    /// <exception cref="RequestException">an option is out of range</exception>
    public Sampler(SamplingOptions options, int vocabularySize)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options.Validate();
        // Up to whole vectors.
        _weights = new double[(vocabularySize + Vector512<double>.Count - 1) / Vector512<double>.Count * Vector512<double>.Count];
        _ids = new int[vocabularySize];
        _sortKeys = new double[vocabularySize];
    }

    /// <summary>What may come next; null for everything.</summary>
    public TokenMask? Mask { get; set; }

    /// <summary>Tokens that come next whatever the model says, before any draw. They use up no randomness.</summary>
    /// <exception cref="RequestException">an id is not in the vocabulary; none of the tokens is taken</exception>
    public void Force(ReadOnlySpan<int> tokens)
    {
        int stranger = tokens.IndexOfAnyExceptInRange(0, _ids.Length - 1);
        if (stranger >= 0)
        {
            throw new RequestException($"Forced token {stranger}: expected an id from 0 to {_ids.Length - 1}, found {tokens[stranger]}.");
        }
        foreach (int token in tokens)
        {
            _forced.Enqueue(token);
        }
    }

    /// <summary>The next token.</summary>
    /// <param name="logits">(vocabulary)</param>
    /// <exception cref="RequestException">the mask allows no token, or a logit is no number</exception>
    public Token Next(ReadOnlySpan<float> logits)
    {
        int id = NextId(logits);
        return new Token(id, (float)LogProbabilities.Of(logits, id));
    }

    /// <summary>The next token without its log-probability, which would take as long as the draw.</summary>
    /// <param name="logits">(vocabulary)</param>
    /// <exception cref="RequestException">as <see cref="Next"/></exception>
    internal int NextId(ReadOnlySpan<float> logits)
    {
        Debug.Assert(logits.Length == _ids.Length && (Mask is null || Mask.VocabularySize == logits.Length));
        float max = LogProbabilities.Max(logits);
        return _forced.TryDequeue(out int forced) ? forced : Choose(logits, max);
    }

    /// <summary>
    /// What <see cref="Next"/> would give for these logits, without giving it: the same draw comes again. −1 if the mask allows nothing.
    /// </summary>
    /// <param name="logits">(vocabulary), another model's guess at those of the next draw</param>
    public int Guess(ReadOnlySpan<float> logits)
    {
        if (_forced.TryPeek(out int forced))
        {
            return forced;
        }
        ulong draws = _draws;
        int best = Best(logits), guess = best < 0 || _options.Temperature == 0 ? best : Draw(logits, logits[best]);
        _draws = draws;
        return guess;
    }

    private int Choose(ReadOnlySpan<float> logits, float max)
    {
        if (Mask is null && _options.Temperature > 0)
        {
            return Draw(logits, max);                                                     // whose it is does not matter
        }
        int best = Best(logits);
        if (best < 0)
        {
            throw new RequestException("The token mask allows no token to come next. A grammar must always leave a way on.");
        }
        return _options.Temperature == 0 ? best : Draw(logits, logits[best]);
    }

    // Among equals the lower id.
    private int Best(ReadOnlySpan<float> logits)
    {
        if (Mask is null)
        {
            return logits.IndexOf(TensorPrimitives.Max(logits));
        }
        int best = -1;
        for (int id = 0; id < logits.Length; id++)
        {
            if (Mask[id] && (best < 0 || logits[id] > logits[best]))
            {
                best = id;
            }
        }
        return best;
    }

    private int Draw(ReadOnlySpan<float> logits, float max)
    {
        double sum = Weigh(logits, max);
        int count = logits.Length;
        bool filtered = _options.TopK > 0 || _options.TopP < 1;
        if (filtered)
        {
            count = KeepLikeliest(Compact(), sum);
            sum = Sum(_weights.AsSpan(0, count));
        }
        double left = Uniform() * sum;
        int last = 0;
        for (int i = 0; i < count; i++)
        {
            // What may not come weighs nothing, so it is never the one with which the rest is used up.
            left -= _weights[i];
            if (left < 0)
            {
                last = i;
                break;
            }
            last = _weights[i] > 0 ? i : last;
        }
        return filtered ? _ids[last] : last;
    }

    // e^((l − max) / T) for the whole vocabulary, 0 for what min-p or the mask leaves out; their sum. In vectors that are filled up at the end, so that
    // every id's weight has the same bits wherever it stands; summed by id, while the next vector is computed.
    private double Weigh(ReadOnlySpan<float> logits, float max)
    {
        Span<float> rest = stackalloc float[Vector512<double>.Count];
        Vector512<double> shift = Vector512.Create((double)max), temperature = Vector512.Create((double)_options.Temperature);
        Vector512<double> least = Vector512.Create((double)_options.MinP);
        Span<double> weights = _weights;
        TokenMask? mask = Mask;
        double sum = 0;
        for (int id = 0; id < logits.Length; id += Vector512<double>.Count)
        {
            scoped ReadOnlySpan<float> some = logits[id..];
            if (some.Length < rest.Length)
            {
                rest.Fill(max);
                some.CopyTo(rest);
                some = rest;
            }
            (Vector256<double> low, Vector256<double> high) = Vector256.Widen(Vector256.Create(some));
            Vector512<double> powers = Vector512.Create(low, high) - shift;
            // A division takes as long as the exponential, and by 1 it changes no bit.
            Vector512<double> exponentials = Vector512.Exp(_options.Temperature == 1 ? powers : powers / temperature);
            Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(exponentials, least), exponentials, Vector512<double>.Zero).CopyTo(weights[id..]);
            int end = Math.Min(id + Vector512<double>.Count, logits.Length);
            for (int i = id; mask is not null && i < end; i++)
            {
                weights[i] = mask[i] ? weights[i] : 0;
            }
            foreach (double weight in weights[id..end])
            {
                sum += weight;
            }
        }
        return sum;
    }

    // Leaves out what weighs nothing. Places ascend no faster than ids, so no weight is overwritten before it is read.
    private int Compact()
    {
        int count = 0;
        for (int id = 0; id < _ids.Length; id++)
        {
            double weight = _weights[id];
            if (weight > 0)
            {
                _weights[count] = weight;
                _ids[count++] = id;
            }
        }
        return count;
    }

    // Sorting a whole vocabulary costs more than a small model's forward pass, so only as many tokens are sorted as the filters can keep:
    // those above a threshold that is lowered until it holds enough.
    private int KeepLikeliest(int count, double sum)
    {
        int most = _options.TopK == 0 ? count : Math.Min(_options.TopK, count), kept = 0;
        // Top-p is a share of what the other filters left; what top-k leaves is known when it has been sorted.
        double wanted = _options.TopP == 1 || most < count ? double.PositiveInfinity : _options.TopP * sum;
        for (double threshold = 1.0 / 16; ; threshold /= 256)
        {
            double mass = 0;
            kept = 0;
            for (int i = 0; i < count; i++)
            {
                if (_weights[i] >= threshold)
                {
                    _sortKeys[kept++] = -_weights[i];
                    mass += _weights[i];
                }
            }
            if (kept >= most || mass >= wanted)
            {
                return Cut(count, threshold, kept, most, wanted);
            }
        }
    }

    private int Cut(int count, double threshold, int candidates, int most, double wanted)
    {
        int n = 0;
        for (int i = 0; i < count; i++)
        {
            if (_weights[i] >= threshold)
            {
                _ids[n++] = _ids[i];
            }
        }
        // Ties go by id: introsort is not stable, so equal keys are put in order afterwards.
        Array.Sort(_sortKeys, _ids, 0, candidates);
        OrderTies(candidates);
        if (_options.TopP < 1 && most < count)
        {
            wanted = -_options.TopP * Sum(_sortKeys.AsSpan(0, most));
        }
        double mass = 0;
        int kept = 0;
        while (kept < Math.Min(candidates, most) && (kept == 0 || mass < wanted))
        {
            _weights[kept] = -_sortKeys[kept];
            mass += _weights[kept++];
        }
        return kept;
    }

    private void OrderTies(int count)
    {
        for (int first = 0, end; first < count; first = end)
        {
            end = first + 1;
            while (end < count && _sortKeys[end] == _sortKeys[first])
            {
                end++;
            }
            Array.Sort(_ids, first, end - first);
        }
    }

    // SplitMix64 of seed and count: a draw needs no state but its number.
    private double Uniform()
    {
        ulong z = unchecked(_options.Seed + (++_draws * 0x9E3779B97F4A7C15));
        z = unchecked((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9);
        z = unchecked((z ^ (z >> 27)) * 0x94D049BB133111EB);
        return ((z ^ (z >> 31)) >> 11) * (1.0 / (1UL << 53));
    }

    private static double Sum(ReadOnlySpan<double> values)
    {
        double sum = 0;
        foreach (double value in values)
        {
            sum += value;
        }
        return sum;
    }
}
