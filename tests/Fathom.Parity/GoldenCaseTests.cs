using System.Runtime.InteropServices;
using Fathom.Cpu;
using Fathom.Engine;
using Fathom.Model;
using Fathom.Parity.Goldens;
using Fathom.Tensors;
using Fathom.Tests;
using Fathom.Verification;
using Xunit;
using Case = Fathom.Parity.Goldens.GoldenCase;

namespace Fathom.Parity;

[Trait("Matrix", "yes")]
public class GoldenCaseTests(ITestOutputHelper output)
{
    public static TheoryData<string> All => [.. Case.Plain, .. Case.Mixed];

    [Theory]
    [MemberData(nameof(All))]
    public void The_engine_agrees_with_the_reference(string name) => Verify(name, 512);

    [Theory]
    [InlineData("a_sliding", 1)]
    [InlineData("b_csa", 3)]
    [InlineData("c_hca", 127)]
    [InlineData("c_hca", 128)]
    [InlineData("c_hca", 129)]
    [InlineData("d_flash", 4)]
    [InlineData("e_pro", 128)]
    [InlineData("f_realdims", 127)]
    [InlineData("f_realdims", 129)]
    [InlineData("g_mtp", 1)]
    [InlineData("g_mtp", 3)]
    [InlineData("q_fp8_fp4", 4)]
    [InlineData("s_seed", 3)]
    [InlineData("m_mixed", 1)]
    [InlineData("m_mixed_512", 128)]
    public void The_engine_agrees_with_the_reference_in_chunks(string name, int chunk) => Verify(name, chunk);

    [Theory]
    [MemberData(nameof(All))]
    public void The_engine_agrees_with_the_reference_between_another_sequence(string name)
    {
        Case golden = Case.Load(name);
        using var device = new CpuDevice(2);
        CacheFormat format = Case.Mixed.Contains(name) ? CacheFormat.Mixed : CacheFormat.F32;
        using LanguageModel model = LanguageModel.Load(golden.ModelFolder, device, new LoadOptions { CacheFormat = format });
        using SequenceCache sequence = model.Transformer.NewSequence(), other = model.Transformer.NewSequence();
        int[] tokens = golden.Main.Tokens, strange = [.. tokens.Reverse()];
        var batch = new Batch(512);
        double[][] logits = new double[tokens.Length][];
        for (int t = 0, step = 0; t < tokens.Length; step++)
        {
            // The other sequence goes before and behind, and now and then the golden one goes alone.
            int count = Math.Min(step % 3 == 0 ? 17 : 1, tokens.Length - t), strangers = Math.Min(step % 4 == 0 ? 0 : 5, strange.Length - other.Length);
            batch.Clear();
            if (strangers > 0 && step % 2 == 0) batch.Add(other, strange.AsSpan(other.Length, strangers), 1);
            batch.Add(sequence, tokens.AsSpan(t, count), count);
            if (strangers > 0 && step % 2 == 1) batch.Add(other, strange.AsSpan(other.Length, strangers), 2);
            int skipped = strangers > 0 && step % 2 == 0 ? 1 : 0;
            Tensor rows = model.Transformer.Forward(batch).Slice(skipped, count);
            for (int i = 0; i < count; i++, t++) logits[t] = Row(device, rows.Row(i));
        }

        ErrorLog log = new(name);
        CaseJudge.Logits(golden, golden.Main, logits, log);
        log.Finish();
    }

    private static double[] Row(CpuDevice device, in Tensor row)
    {
        float[] values = new float[row.Columns];
        device.Download(row, MemoryMarshal.AsBytes(values.AsSpan()));
        return Array.ConvertAll(values, value => (double)value);
    }

    private void Verify(string name, int chunk)
    {
        using var device = new CpuDevice(2);
        string folder = TestFiles.Path("tests", "goldens", name);
        string model = name == "s_seed" ? TestFiles.Path("models", "seed") : folder;
        IReadOnlyList<Check> checks = CaseVerifier.Run(model, folder, device, chunk);
        foreach (Check check in checks)
        {
            output.WriteLine($"{(check.Pass ? "ok  " : "FAIL")} {check.Name,-28} {check.MaxError,10:E2} of {check.Tolerance:E0}, layer {check.Layer}, position {check.Position}");
        }
        Assert.All(checks, check => Assert.True(check.Pass, check.ToString()));
    }
}
