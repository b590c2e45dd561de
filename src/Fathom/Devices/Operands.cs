using Fathom.Tensors;

namespace Fathom.Devices;

/// <summary>The hyper-connection of one sublayer (or of the head, whose scale and bias are shorter).</summary>
/// <param name="Projection">fn, (2n + n², n · d); for the head (n, n · d)</param>
/// <param name="Scale">F32, (3); for the head (1)</param>
/// <param name="Bias">F32, (2n + n²); for the head (n)</param>
/// <param name="Iterations">Sinkhorn rounds; unused by the head</param>
/// <param name="Epsilon">ε of pre and of Sinkhorn</param>
/// <param name="NormEpsilon">ε of ρ</param>
public sealed record HyperConnectionOperand(
    WeightMatrix Projection, Tensor Scale, Tensor Bias, int Iterations, float Epsilon, float NormEpsilon);

/// <summary>Consecutive tokens of one sequence whose compressor inputs are known.</summary>
/// <param name="Values">a of these tokens, (T, w · d) with w windows to an entry</param>
/// <param name="Gates">b of these tokens, without the position bias, (T, w · d)</param>
/// <param name="ValueRing">a of the w · ratio tokens before, by position modulo that</param>
/// <param name="GateRing">b of the same</param>
/// <param name="PositionBias">F32, (ratio, w · d)</param>
/// <param name="Ratio">tokens to a window</param>
/// <param name="FirstPosition">position of the first token</param>
public readonly record struct CompressOperand(
    Tensor Values, Tensor Gates, Tensor ValueRing, Tensor GateRing, Tensor PositionBias, int Ratio, int FirstPosition)
{
    /// <summary>Windows an entry reads: with two, the first half of the channels belongs to the window before.</summary>
    public int Windows => ValueRing.Rows / Ratio;

    /// <summary>The first entry that these tokens complete.</summary>
    public int FirstEntry => FirstPosition / Ratio;

    /// <summary>Entries that these tokens complete.</summary>
    public int EntryCount => ((FirstPosition + Values.Rows) / Ratio) - FirstEntry;
}

/// <summary>What T consecutive queries of one sequence attend to.</summary>
/// <param name="Window">F32, (n_win − 1 + T, c): row j is position FirstPosition − (n_win − 1) + j; rows before position 0 are not read</param>
/// <param name="Compressed">compressed rows; a query at p sees those below (p + 1) / ratio</param>
/// <param name="Selection">I32, (T, k): which of them, −1 for none; or none for all visible</param>
/// <param name="Ratio">tokens to a compressed row; 0 without compression</param>
/// <param name="FirstPosition">position of the first query</param>
public readonly record struct ContextOperand(Tensor Window, RowBlocks Compressed, Tensor Selection, int Ratio, int FirstPosition)
{
    /// <summary>Compressed rows that the query at <paramref name="position"/> may see.</summary>
    public int Visible(int position) => Ratio == 0 ? 0 : (position + 1) / Ratio;
}

/// <summary>The experts of a layer, as stacks of matrices.</summary>
/// <param name="Gate">w1, E × (I, d)</param>
/// <param name="Up">w3, E × (I, d)</param>
/// <param name="Down">w2, E × (d, I)</param>
public sealed record ExpertOperand(WeightMatrix Gate, WeightMatrix Up, WeightMatrix Down)
{
    /// <summary>Says that an expert in host memory will be read soon, where its pages may be on the disk.</summary>
    internal void WillNeed(int expert)
    {
        Gate.WillNeed(expert);
        Up.WillNeed(expert);
        Down.WillNeed(expert);
    }
}

/// <summary>How scores become routing weights.</summary>
/// <param name="Scoring">function of the logits</param>
/// <param name="Normalize">whether the chosen weights are divided by their sum</param>
/// <param name="Factor">factor on the weights</param>
public readonly record struct RoutingOperand(ScoringFunction Scoring, bool Normalize, float Factor);
