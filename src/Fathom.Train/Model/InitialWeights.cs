using Fathom.Model;
using Fathom.Train.Autograd;

namespace Fathom.Train.Model;

/// <summary>Weights to begin with. The same config, seed and options give the same bits.</summary>
internal static class InitialWeights
{
    private const float HyperConnectionScale = 0.01f;

    /// <param name="p">filled</param> <param name="seed">of all draws</param>
    /// <param name="deviation">of matrices; null for 1 / √(inputs), and 1 for the embedding</param>
    /// <param name="tokenFrequencies">(vocabulary), which the tables by token id balance; null for equal ones</param>
    public static void Fill(Parameters p, int seed, float? deviation = null, ReadOnlySpan<long> tokenFrequencies = default)
    {
        var random = new Random(seed);
        foreach (ExpectedWeight weight in p.Expected)
        {
            if (weight.Role == WeightRole.Ids)
            {
                FillTable(p.Table(weight.Key.Layer), p.Config, tokenFrequencies, random);
            }
            else
            {
                Fill(p[weight.Key.Part, weight.Key.Layer, weight.Key.Expert], deviation, random);
            }
        }
    }

    private static void Fill(Parameter parameter, float? deviation, Random random)
    {
        Span<float> values = parameter.Value.Span;
        switch (parameter.Weight.Key.Part)
        {
            case WeightPart.HcAttentionBase or WeightPart.HcExpertsBase or WeightPart.HcHeadBase or WeightPart.Sink or WeightPart.RouterBias
                or WeightPart.CompressorPositionBias or WeightPart.IndexCompressorPositionBias:
                values.Clear();
                break;
            case WeightPart.HcAttentionScale or WeightPart.HcExpertsScale or WeightPart.HcHeadScale:
                values.Fill(HyperConnectionScale);
                break;
            case var _ when parameter.Weight.IsVector:
                values.Fill(1);
                break;
            default:
                float each = deviation ?? (parameter.Weight.Key.Part == WeightPart.Embedding ? 1 : 1 / MathF.Sqrt(parameter.Columns));
                for (int i = 0; i < values.Length; i++)
                {
                    values[i] = each * Normal(random);
                }
                break;
        }
    }

    // Tokens in falling order of frequency, each to the experts with the least load so far; equal loads are settled by chance, so that all
    // combinations of experts occur.
    private static void FillTable(int[] table, ModelConfig config, ReadOnlySpan<long> frequencies, Random random)
    {
        int k = config.ExpertsPerToken;
        int[] tokens = [.. Enumerable.Range(0, config.VocabularySize)];
        random.Shuffle(tokens);
        if (!frequencies.IsEmpty)
        {
            long[] counts = frequencies.ToArray();
            tokens = [.. tokens.OrderByDescending(token => counts[token])];
        }
        var loads = new long[config.ExpertCount];
        int[] experts = [.. Enumerable.Range(0, config.ExpertCount)];
        foreach (int token in tokens)
        {
            random.Shuffle(experts);
            int[] least = [.. experts.OrderBy(expert => loads[expert]).Take(k)];
            least.CopyTo(table, token * k);
            foreach (int expert in least)
            {
                loads[expert] += frequencies.IsEmpty ? 1 : Math.Max(1, frequencies[token]);
            }
        }
    }

    private static float Normal(Random random) =>
        (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
}
