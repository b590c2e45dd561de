using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Xunit;

namespace Fathom.Parity;

/// <summary>
/// What a run of the matrix really computes with. Tests of the trait Matrix run once for each of the runtime's switches, and a switch without
/// effect would make the run prove nothing.
/// </summary>
[Trait("Matrix", "yes")]
public class InstructionSetTests(ITestOutputHelper output)
{
    [Fact]
    public void A_switch_that_is_off_takes_effect()
    {
        output.WriteLine($"accelerated: Vector512 {Vector512.IsHardwareAccelerated}, Vector256 {Vector256.IsHardwareAccelerated}, Vector128 {Vector128.IsHardwareAccelerated}");
        output.WriteLine($"supported: Avx512F {Avx512F.IsSupported}, Avx2 {Avx2.IsSupported}, Fma {Fma.IsSupported}");
        Assert.False(IsOff("EnableAVX512") && Avx512F.IsSupported);
        Assert.False(IsOff("EnableAVX512") && Vector512.IsHardwareAccelerated);
        Assert.False(IsOff("EnableAVX2") && (Avx2.IsSupported || Fma.IsSupported || Avx512F.IsSupported));
        Assert.False(IsOff("EnableAVX2") && Vector256.IsHardwareAccelerated);
        Assert.False(IsOff("EnableHWIntrinsic") && (Avx2.IsSupported || Vector128.IsHardwareAccelerated));
    }

    private static bool IsOff(string name) => Environment.GetEnvironmentVariable("DOTNET_" + name) == "0";
}
