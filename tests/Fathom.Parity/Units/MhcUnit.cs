using Fathom.Parity.Goldens;
using Fathom.Tests.Reference;

namespace Fathom.Parity.Units;

/// <summary>unit/mhc: splits of given mixes, and a whole pre → post → head.</summary>
internal static class MhcUnit
{
    public const double Epsilon = 1e-6;

    private static readonly GoldenFile s_file = UnitFiles.Open("mhc");

    /// <summary>One token's mixes with the site's parameters.</summary>
    internal sealed record SplitCase(double[] Mixes, double[] Scale, double[] Bias, int Streams, int Iterations);

    public static void CheckSplit(string name, Func<SplitCase, HyperMix> split)
    {
        int[] parameters = s_file.Ints($"{name}.params");
        double[][] mixes = s_file.Rows($"{name}.mixes");
        double[][] comb = [.. s_file.Doubles($"{name}.comb").Chunk(parameters[0] * parameters[0])];
        HyperMix[] found = [.. mixes.Select(row =>
            split(new SplitCase(row, s_file.Doubles($"{name}.scale"), s_file.Doubles($"{name}.base"), parameters[0], parameters[1])))];

        ErrorLog log = new($"mhc {name}");
        log.CompareRelative("pre", [.. found.Select(mix => mix.Pre)], s_file.Rows($"{name}.pre"), Tolerances.Unit);
        log.CompareRelative("post", [.. found.Select(mix => mix.Post)], s_file.Rows($"{name}.post"), Tolerances.Unit);
        log.CompareRelative("comb", [.. found.Select(mix => mix.Comb)], comb, Tolerances.Unit);
        log.Finish();
    }

    /// <summary>Streams and parameters of the whole block.</summary>
    internal sealed record BlockCase(
        double[][] Streams,
        ReferenceTensor Fn,
        double[] Scale,
        double[] Bias,
        double[][] SublayerOutput,
        ReferenceTensor HeadFn,
        double HeadScale,
        double[] HeadBias);

    /// <summary>(T) rows: the gathered input, the mixes, the streams after, the head's output.</summary>
    internal sealed record BlockResult(double[][] Gathered, HyperMix[] Mixes, double[][] StreamsOut, double[][] Head);

    public static void CheckBlock(Func<BlockCase, BlockResult> run)
    {
        int streamWidth = s_file.Shape("block.x")[1] * s_file.Shape("block.x")[2];
        BlockResult result = run(new BlockCase(
            [.. s_file.Doubles("block.x").Chunk(streamWidth)],
            s_file.Weight("block.fn"),
            s_file.Doubles("block.scale"),
            s_file.Doubles("block.base"),
            s_file.Rows("block.f_out"),
            s_file.Weight("block.head_fn"),
            s_file.Doubles("block.head_scale")[0],
            s_file.Doubles("block.head_base")));

        ErrorLog log = new("mhc block");
        double[][] comb = [.. s_file.Doubles("block.comb").Chunk(result.Mixes[0].Comb.Length)];
        log.CompareRelative("pre_out", result.Gathered, s_file.Rows("block.pre_out"), Tolerances.Unit);
        log.CompareRelative("post", [.. result.Mixes.Select(mix => mix.Post)], s_file.Rows("block.post"), Tolerances.Unit);
        log.CompareRelative("comb", [.. result.Mixes.Select(mix => mix.Comb)], comb, Tolerances.Unit);
        log.CompareRelative("post_out", result.StreamsOut, [.. s_file.Doubles("block.post_out").Chunk(streamWidth)], Tolerances.Unit);
        log.CompareRelative("head_out", result.Head, s_file.Rows("block.head_out"), Tolerances.Unit);
        log.Finish();
    }
}
