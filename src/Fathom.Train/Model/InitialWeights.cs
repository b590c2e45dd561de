using System.Numerics.Tensors;
using Fathom.Model;
using Fathom.Train.Autograd;

namespace Fathom.Train.Model;

/// <summary>Weights to begin with. The same config, seed and options give the same bits.</summary>
internal static class InitialWeights
{
    private const float HyperConnectionScale = 0.01f;
    private const float HeadScale = 1f;
    private const float EmbeddingDeviation = 0.1f;

    // Of all tokens; one as common as this begins at 1/√2.
    private const double CommonShare = 1e-2;

    /// <param name="p">filled</param> <param name="seed">of all draws</param>
    /// <param name="deviation">of matrices; null for 1 / √(inputs), 0.1 for the embedding, and circuits that attention begins with</param>
    /// <param name="tokenFrequencies">(vocabulary), which the tables by token id balance and common tokens are quiet by; empty for equal ones</param>
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
        Tie(p, deviation);
        if (deviation is null)
        {
            PreviousTokens.Fill(p, random);
            Quieten(p[WeightPart.Embedding], tokenFrequencies);
            InitialCircuits.Fill(p);
        }
    }

    // Common tokens begin quiet, √(a / (a + share)): a blank stands beside every number, and being the same it would match all of them.
    private static void Quieten(Parameter embedding, ReadOnlySpan<long> frequencies)
    {
        double all = TensorPrimitives.Sum(frequencies);
        for (int i = 0; i < frequencies.Length && all > 0; i++)
        {
            Span<float> row = embedding.Row(i);
            TensorPrimitives.Multiply(row, (float)Math.Sqrt(CommonShare / (CommonShare + (frequencies[i] / all))), row);
        }
    }

    // The head begins as the embedding, scaled to a matrix's deviation: what attention copies is then a word from the first step on, not
    // something that thousands of rows must learn to read one by one.
    private static void Tie(Parameters p, float? deviation)
    {
        Parameter embedding = p[WeightPart.Embedding], head = p[WeightPart.Head];
        TensorPrimitives.Multiply(embedding.Value.Span, deviation is null ? HeadScale / (MathF.Sqrt(head.Columns) * EmbeddingDeviation) : 1, head.Value.Span);
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
            case WeightPart.OutputUp or WeightPart.ExpertDown or WeightPart.SharedDown when deviation is null:
                values.Clear();                     // a block that adds nothing at first lets the first gradients say what it should add
                break;
            case WeightPart.HcAttentionScale or WeightPart.HcExpertsScale or WeightPart.HcHeadScale:
                values.Fill(HyperConnectionScale);
                break;
            case var _ when parameter.Weight.IsVector:
                values.Fill(1);
                break;
            default:
                float each = deviation ?? (parameter.Weight.Key.Part == WeightPart.Embedding ? EmbeddingDeviation : 1 / MathF.Sqrt(parameter.Columns));
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

    internal static float Normal(Random random) =>
        (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
}
