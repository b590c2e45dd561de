using Fathom.Engine;

namespace Fathom.Tests.Engine;

/// <summary>Sampling in the plainest way: a sorted list in double precision.</summary>
internal static class ReferenceSampler
{
    /// <summary>The tokens that the filters keep with their weights, likeliest first, among equals the lower id.</summary>
    public static List<(int Id, double Weight)> Kept(float[] logits, SamplingOptions options, TokenMask? mask = null)
    {
        int[] allowed = [.. Enumerable.Range(0, logits.Length).Where(id => mask is null || mask[id])];
        double max = allowed.Max(id => (double)logits[id]);
        List<(int Id, double Weight)> kept =
            [.. allowed.Select(id => (id, Math.Exp((logits[id] - max) / options.Temperature))).OrderByDescending(token => token.Item2).ThenBy(token => token.id)];
        kept = options.TopK > 0 ? [.. kept.Take(options.TopK)] : kept;
        kept = [.. kept.Where(token => token.Weight >= options.MinP)];
        double wanted = options.TopP * kept.Sum(token => token.Weight), mass = 0;
        int count = 0;
        while (count < kept.Count && (mass < wanted || options.TopP == 1))
        {
            mass += kept[count++].Weight;
        }
        return kept[..count];
    }

    /// <summary>The n-th draw, from 1, by walking along the weights: in order of likelihood where tokens were sorted, else of id.</summary>
    public static int Draw(IReadOnlyList<(int Id, double Weight)> kept, SamplingOptions options, int n)
    {
        bool sorted = options.TopK > 0 || options.TopP < 1;
        (int Id, double Weight)[] order = sorted ? [.. kept] : [.. kept.OrderBy(token => token.Id)];
        double left = Uniform(options.Seed, (ulong)n) * order.Sum(token => token.Weight);
        foreach ((int id, double weight) in order)
        {
            left -= weight;
            if (left < 0)
            {
                return id;
            }
        }
        return order[^1].Id;
    }

    /// <summary>SplitMix64: the n-th number of a seed, from 0 to 1.</summary>
    private static double Uniform(ulong seed, ulong n)
    {
        unchecked
        {
            ulong z = seed + (n * 0x9E3779B97F4A7C15);
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return ((z ^ (z >> 31)) >> 11) / (double)(1UL << 53);
        }
    }
}
