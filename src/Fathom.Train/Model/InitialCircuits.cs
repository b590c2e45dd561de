using System.Numerics.Tensors;
using Fathom.Model;
using Fathom.Train.Autograd;

namespace Fathom.Train.Model;

/// <summary>
/// Lets CSA layers begin as a look-up: a query is the same projection of its token as the entries are of theirs, so it attends to entries with
/// its own token inside, and the output writes what it found back into the streams. From random weights this takes tens of millions of tokens to
/// appear; from here it is sharpened only.
/// </summary>
/// <remarks>
/// With P the non-rotary rows of the compressor (c' × d) and D the query's down-projection: W_up = P Dᵀ for every head, so q ≈ P x, because
/// Dᵀ D is close to a projection; and W_out = γ Pᵀ on the non-rotary channels of every head. An entry is pooled from eight tokens, so the
/// one that is asked for is never more alike than 1/√8: with rows of norm √c the window's other tokens would drown it. The entries' gain is what
/// lifts it above them.
/// </remarks>
internal static class InitialCircuits
{
    private const float EntryGain = 3;
    private const float OutputScale = 0.4f;
    private const float GateScale = 0.25f;

    /// <summary>Overwrites what the CSA layers' attention began with.</summary>
    public static void Fill(Parameters p)
    {
        ModelConfig config = p.Config;
        for (int layer = 0; layer < config.LayerCount; layer++)
        {
            if (LayerPlan.For(config, layer).Attention == AttentionKind.Csa)
            {
                Parameter keys = p[WeightPart.CompressorKv, layer], gates = p[WeightPart.CompressorGate, layer];
                keys.Value[(config.HeadDim * keys.Columns)..].CopyTo(keys.Value);                   // the window before is read as the own one
                TensorPrimitives.Multiply(gates.Value.Span, GateScale, gates.Value.Span);
                p[WeightPart.CompressorNorm, layer].Value.Span[..config.NonRotaryDim].Fill(EntryGain);
                MatchQueries(config, keys, p[WeightPart.QueryDown, layer], p[WeightPart.QueryUp, layer]);
                WriteBack(config, keys, p[WeightPart.OutputDown, layer], p[WeightPart.OutputUp, layer]);
            }
        }
    }

    // W_up = P Dᵀ in the non-rotary rows of every head.
    private static void MatchQueries(ModelConfig config, Parameter keys, Parameter down, Parameter up)
    {
        for (int row = 0; row < up.Rows; row++)
        {
            int channel = row % config.HeadDim;
            for (int r = 0; channel < config.NonRotaryDim && r < up.Columns; r++)
            {
                up.Row(row)[r] = TensorPrimitives.Dot<float>(keys.Row(channel), down.Row(r));
            }
        }
    }

    // Each group's down-projection takes the sum of its heads' non-rotary channels, as far as its rank goes; the up-projection is γ Pᵀ.
    private static void WriteBack(ModelConfig config, Parameter keys, Parameter down, Parameter up)
    {
        int rank = down.Rows / config.OutputGroups, channels = Math.Min(rank, config.NonRotaryDim);
        for (int row = 0; row < down.Rows; row++)
        {
            int channel = row % rank;
            if (channel >= channels)
            {
                continue;
            }
            down.Row(row).Clear();
            for (int at = channel; at < down.Columns; at += config.HeadDim)
            {
                down.Row(row)[at] = 1;
            }
            for (int i = 0; i < up.Rows; i++)
            {
                up.Row(i)[row] = OutputScale * keys.Row(channel)[i];
            }
        }
    }
}
