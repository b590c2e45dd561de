using System.Numerics.Tensors;
using Fathom.Model;
using Fathom.Train.Autograd;

namespace Fathom.Train.Model;

/// <summary>
/// Lets a first layer that sees a window begin by carrying tokens on: its first head attends one place back and writes what stands there into a
/// subspace of its own. A question nearly never ends with what it asks for, a blank or a mark stands between; a look-up then still has its key.
/// </summary>
/// <remarks>
/// One row is key and value of every head, so a head tells places apart by the rotary channels alone. They are made constant: all embeddings
/// share a direction u, keys read nothing else there, and queries read the same turned back by one place, which scores a token n places back
/// by Σ_i e_i cos(f_i (n − 1)).
/// </remarks>
internal static class PreviousTokens
{
    // Of an embedding's square, along u.
    private const float SharedPart = 0.1f;

    // Of a row's square, in its rotary channels: the sharper a head is, the less of the token it brings.
    private const float RotaryPart = 0.6f;

    // What is written, against the token's own embedding.
    private const float OutputScale = 1;

    // e_i. The fastest pair tells neighbours apart, the others its turns.
    private static readonly float[] s_energies = [0.55f, 0.25f, 0.15f, 0.05f];

    /// <summary>Overwrites what embedding and first layer began with, if the layer sees a window and has room for it.</summary>
    public static void Fill(Parameters p, Random random)
    {
        ModelConfig config = p.Config;
        if (LayerPlan.For(config, 0).Attention != AttentionKind.Window || config.HeadCount == 1 || config.RopeDim < 2 * s_energies.Length)
        {
            return;
        }
        float[] shared = Normal(random, config.HiddenSize, 1);
        TensorPrimitives.Divide(shared, TensorPrimitives.Norm<float>(shared), shared);
        Share(p[WeightPart.Embedding], shared);
        MarkKeys(config, p[WeightPart.KeyValue, 0], shared);
        LookBack(config, p[WeightPart.QueryDown, 0], p[WeightPart.QueryUp, 0], shared);
        Write(config, p, random);
    }

    private static void Share(Parameter embedding, float[] shared)
    {
        for (int i = 0; i < embedding.Rows; i++)
        {
            Span<float> row = embedding.Row(i);
            float length = TensorPrimitives.Norm<float>(row) * MathF.Sqrt(SharedPart);
            TensorPrimitives.Multiply(row, MathF.Sqrt(1 - SharedPart), row);
            TensorPrimitives.MultiplyAdd(shared, length, row, row);
        }
    }

    // Rotary channels read u alone, the others all but u.
    private static void MarkKeys(ModelConfig config, Parameter keys, float[] shared)
    {
        // A normed input has √(part · d) along u, and each of the other channels a square of about one.
        float strength = MathF.Sqrt(RotaryPart / (1 - RotaryPart) * config.NonRotaryDim / (SharedPart * config.HiddenSize));
        for (int channel = 0; channel < keys.Rows; channel++)
        {
            Span<float> row = keys.Row(channel);
            if (channel < config.NonRotaryDim)
            {
                TensorPrimitives.MultiplyAdd(shared, -TensorPrimitives.Dot<float>(row, shared), row, row);
                continue;
            }
            (int pair, int part) = Math.DivRem(channel - config.NonRotaryDim, 2);
            float amplitude = part == 0 && pair < s_energies.Length ? strength * MathF.Sqrt(s_energies[pair]) : 0;
            TensorPrimitives.Multiply(shared, amplitude, row);
        }
    }

    // A constant query, read from u through the down-projection, turned back by one place.
    private static void LookBack(ModelConfig config, Parameter down, Parameter up, float[] shared)
    {
        float[] frequencies = RopeFrequencies.Plain(config);
        float[] reader = [.. Enumerable.Range(0, down.Rows).Select(r => TensorPrimitives.Dot<float>(down.Row(r), shared))];
        for (int channel = 0; channel < config.HeadDim; channel++)
        {
            Span<float> row = up.Row(channel);
            row.Clear();
            (int pair, int part) = Math.DivRem(channel - config.NonRotaryDim, 2);
            if (channel >= config.NonRotaryDim && pair < s_energies.Length)
            {
                (float sin, float cos) = MathF.SinCos(-frequencies[pair]);
                TensorPrimitives.Multiply(reader, MathF.Sqrt(s_energies[pair]) * (part == 0 ? cos : sin), row);
            }
        }
    }

    // The head's share of its group's rank takes its plain channels; random columns spread them over the stream.
    private static void Write(ModelConfig config, Parameters p, Random random)
    {
        Parameter down = p[WeightPart.OutputDown, 0], up = p[WeightPart.OutputUp, 0];
        int channels = Math.Min(config.OutputRank * config.OutputGroups / config.HeadCount, config.NonRotaryDim);
        // Plain channels of a row of norm √c have this square; the stream's is the embedding's.
        float square = (1 - RotaryPart) * config.HeadDim * channels / config.NonRotaryDim;
        float deviation = OutputScale * TensorPrimitives.Norm<float>(p[WeightPart.Embedding].Row(0)) / MathF.Sqrt(square * up.Rows);
        for (int channel = 0; channel < channels; channel++)
        {
            down.Row(channel).Clear();
            down.Row(channel)[channel] = 1;
            float[] column = Normal(random, up.Rows, deviation);
            for (int i = 0; i < up.Rows; i++)
            {
                up.Row(i)[channel] = column[i];
            }
        }
    }

    private static float[] Normal(Random random, int count, float deviation) =>
        [.. Enumerable.Range(0, count).Select(_ => deviation * InitialWeights.Normal(random))];
}
