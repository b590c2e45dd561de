using Fathom.Tests;
using Fathom.Tests.Reference;

namespace Fathom.Parity.Units;

/// <summary>The unit vectors' files.</summary>
internal static class UnitFiles
{
    public static GoldenFile Open(string name) => GoldenFile.Open(TestFiles.Path("tests", "goldens", "unit", $"{name}.safetensors"));

    /// <summary>The RoPE of the compressor and indexer files: YaRN, θ 160000, original context 64, factor 16, β 32 and 1.</summary>
    public static ReferenceRope Rope(int ropeDim)
    {
        const float theta = 160000;
        return new ReferenceRope(ReferenceRope.Yarn(ReferenceRope.Plain(ropeDim, theta), theta, 16, 64, (32, 1)));
    }
}
