using Fathom.Cpu.Kernels;

namespace Fathom.Cpu;

/// <summary>
/// A sample of the index keys, from everywhere in the context. The scores of its best tell what the k best of all keys are likely to exceed, so that few others
/// are ever held as candidates. Whoever uses the bar must look whether k keys did exceed it.
/// </summary>
internal static class KeySample
{
    /// <summary>Keys of a sample.</summary>
    public const int Keys = 2048;

    // The bar is meant for twice k keys and these more: then fewer than k exceed it once in a million samples of independent keys.
    private const int Spare = 8;

    /// <summary>Whether a sample costs little beside scoring all keys.</summary>
    public static bool IsWorthIt(int seen, int k) => seen >= 8 * Math.Max(Keys, k);

    /// <summary>Scores a sample for every query of a pass.</summary>
    /// <param name="pass">begun</param>
    /// <param name="seen">number of keys</param>
    /// <param name="scores">(queries, <see cref="Keys"/>); overwritten</param>
    public static void Score(in KeyPass pass, int seen, Span<float> scores)
    {
        const int Pieces = Keys / Tile.Width;
        for (int i = 0; i < Pieces; i++)
        {
            pass.Score(First(seen, i, Pieces), Tile.Width, default, scores[(i * Tile.Width)..], Keys);
        }
    }

    /// <summary>The first key of a piece of a sample: pieces of 32 keys lie as far apart as they can.</summary>
    public static int First(int seen, int piece, int pieces) => (int)((long)seen * piece / pieces) / Tile.Width * Tile.Width;

    /// <summary>The bar of one query.</summary>
    /// <param name="scores">of the sample, (<see cref="Keys"/>)</param>
    /// <param name="seen">number of keys</param>
    /// <param name="k">how many are wanted</param>
    public static float Bar(ReadOnlySpan<float> scores, int seen, int k) => TopK.Bar(scores, (int)(2L * k * Keys / seen) + Spare);
}
