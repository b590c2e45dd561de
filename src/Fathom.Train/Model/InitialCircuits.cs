using System.Numerics.Tensors;
using Fathom.Model;
using Fathom.Train.Autograd;

namespace Fathom.Train.Model;

/// <summary>
/// Weights that begin as what retrieval needs. The first layer, if it sees a window only, adds the last few tokens to each; CSA layers look up
/// what stood near such tokens before. From random weights both appear after tens of millions of tokens; from here they are sharpened only.
/// </summary>
/// <remarks>
/// Look-up: with P the non-rotary rows of the compressor (c' × d) and D the query's down-projection, W_up = P Dᵀ for every head, so q ≈ P x as
/// entries are, because Dᵀ D is close to a projection. Smear: all embeddings share a direction u, from which the rotary channels of keys get a
/// constant pair κ (1, 0) for each of the fastest frequencies θ, and those of queries ρ (cos θδ, −sin θδ): the score is Σ ρκ cos θ (Δ − δ), largest
/// at distance δ. Both write back γ Pᵀ of what their heads found.
/// </remarks>
internal static class InitialCircuits
{
    /// <summary>Mean of the embedding as a multiple of its deviation: the direction that all tokens share.</summary>
    public const float SharedShare = 0.5f;

    private const float OutputScale = 0.05f;
    private const float SmearScale = 0.15f;
    private const float GateScale = 0.25f;
    private const int Frequencies = 6;

    // Of the length of a key's random channels; scores then reach about 6 at the wanted distance.
    private const float RotaryShare = 0.7f;

    /// <summary>Overwrites what attention began with.</summary>
    public static void Fill(Parameters p)
    {
        ModelConfig config = p.Config;
        if (LayerPlan.For(config, 0).Attention == AttentionKind.Window && config.RopeDim >= 2 * Frequencies)
        {
            SmearKeys(config, p[WeightPart.KeyValue, 0]);
            SmearQueries(config, p[WeightPart.QueryDown, 0], p[WeightPart.QueryUp, 0]);
            WriteBack(config, p[WeightPart.KeyValue, 0], p[WeightPart.OutputDown, 0], p[WeightPart.OutputUp, 0], SmearScale);
        }
        for (int layer = 0; layer < config.LayerCount; layer++)
        {
            if (LayerPlan.For(config, layer).Attention == AttentionKind.Csa)
            {
                Parameter keys = p[WeightPart.CompressorKv, layer], gates = p[WeightPart.CompressorGate, layer];
                keys.Value[(config.HeadDim * keys.Columns)..].CopyTo(keys.Value);                   // the window before is read as the own one
                TensorPrimitives.Multiply(gates.Value.Span, GateScale, gates.Value.Span);
                MatchQueries(config, keys, p[WeightPart.QueryDown, layer], p[WeightPart.QueryUp, layer]);
                WriteBack(config, keys, p[WeightPart.OutputDown, layer], p[WeightPart.OutputUp, layer], OutputScale);
            }
        }
    }

    // A token's normed input has u times √d · share / √(1 + share²); its non-rotary channels have unit deviation each.
    private static void SmearKeys(ModelConfig config, Parameter keys)
    {
        float length = RotaryShare * MathF.Sqrt(config.NonRotaryDim) / MathF.Sqrt(Frequencies);
        for (int i = 0; i < config.RopeDim; i++)
        {
            Row(keys, config.NonRotaryDim + i).Fill(i % 2 == 0 && i < 2 * Frequencies ? length / AlongShared(config) / MathF.Sqrt(keys.Columns) : 0);
        }
    }

    // Head h looks 1 + h tokens back. The queries are rotary alone: normed, their length is the head's.
    private static void SmearQueries(ModelConfig config, Parameter down, Parameter up)
    {
        Row(down, 0).Fill(1 / MathF.Sqrt(down.Columns));
        float[] theta = RopeFrequencies.Plain(config);
        up.Value.Span.Clear();
        for (int head = 0; head < config.HeadCount; head++)
        {
            for (int i = 0; i < Frequencies; i++)
            {
                int row = (head * config.HeadDim) + config.NonRotaryDim + (2 * i);
                (float sin, float cos) = MathF.SinCos(theta[i] * (1 + head));
                (Row(up, row)[0], Row(up, row + 1)[0]) = (cos, -sin);
            }
        }
    }

    private static float AlongShared(ModelConfig config) => MathF.Sqrt(config.HiddenSize) * SharedShare / MathF.Sqrt(1 + (SharedShare * SharedShare));

    // W_up = P Dᵀ in the non-rotary rows of every head.
    private static void MatchQueries(ModelConfig config, Parameter keys, Parameter down, Parameter up)
    {
        for (int row = 0; row < up.Rows; row++)
        {
            int channel = row % config.HeadDim;
            for (int r = 0; channel < config.NonRotaryDim && r < up.Columns; r++)
            {
                Row(up, row)[r] = TensorPrimitives.Dot<float>(Row(keys, channel), Row(down, r));
            }
        }
    }

    // Each group's down-projection takes the sum of its heads' non-rotary channels, as far as its rank goes; the up-projection is γ Pᵀ.
    private static void WriteBack(ModelConfig config, Parameter keys, Parameter down, Parameter up, float scale)
    {
        int rank = down.Rows / config.OutputGroups, channels = Math.Min(rank, config.NonRotaryDim);
        for (int row = 0; row < down.Rows; row++)
        {
            int channel = row % rank;
            if (channel >= channels)
            {
                continue;
            }
            Row(down, row).Clear();
            for (int at = channel; at < down.Columns; at += config.HeadDim)
            {
                Row(down, row)[at] = 1;
            }
            for (int i = 0; i < up.Rows; i++)
            {
                Row(up, i)[row] = scale * Row(keys, channel)[i];
            }
        }
    }

    private static Span<float> Row(Parameter parameter, int row) => parameter.Value.Span.Slice(row * parameter.Columns, parameter.Columns);
}
