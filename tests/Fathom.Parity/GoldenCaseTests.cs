using Fathom.Cpu;
using Fathom.Tests;
using Fathom.Verification;
using Xunit;

namespace Fathom.Parity;

[Trait("Matrix", "yes")]
public class GoldenCaseTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("a_sliding")]
    [InlineData("b_csa")]
    [InlineData("c_hca")]
    [InlineData("d_flash")]
    [InlineData("e_pro")]
    [InlineData("f_realdims")]
    [InlineData("g_mtp")]
    [InlineData("q_fp8_fp4")]
    [InlineData("s_seed")]
    [InlineData("m_mixed")]
    [InlineData("m_mixed_512")]
    public void The_engine_agrees_with_the_reference(string name) => Verify(name, 512);

    private void Verify(string name, int chunk)
    {
        using var device = new CpuDevice(2);
        string folder = TestFiles.Path("tests", "goldens", name);
        string model = name == "s_seed" ? TestFiles.Path("models", "fathom-nano") : folder;
        IReadOnlyList<Check> checks = CaseVerifier.Run(model, folder, device, chunk);
        foreach (Check check in checks)
        {
            output.WriteLine($"{(check.Pass ? "ok  " : "FAIL")} {check.Name,-28} {check.MaxError,10:E2} of {check.Tolerance:E0}, layer {check.Layer}, position {check.Position}");
        }
        Assert.All(checks, check => Assert.True(check.Pass, check.ToString()));
    }
}
