using System.Text.Json;
using Fathom.Tests;
using Xunit;

namespace Fathom.EndToEnd.Cli;

public class InspectCommandTests
{
    [Theory]
    [InlineData("a_sliding", 3, 0, 0, 1)]
    [InlineData("b_csa", 0, 3, 0, 0)]
    [InlineData("c_hca", 0, 0, 3, 1)]
    [InlineData("d_flash", 2, 3, 2, 3)]
    [InlineData("d_flash/sharded", 2, 3, 2, 3)]
    [InlineData("e_pro", 0, 2, 4, 3)]
    [InlineData("f_realdims", 1, 2, 1, 1)]
    [InlineData("g_mtp", 2, 2, 1, 3)]
    [InlineData("m_mixed", 1, 2, 1, 4)]
    [InlineData("m_mixed_512", 1, 1, 1, 3)]
    [InlineData("q_fp8_fp4", 1, 1, 1, 1)]
    public async Task Counts_layers_and_bytes(string name, int window, int csa, int hca, int hash)
    {
        FathomProcess run = await FathomProcess.RunAsync("inspect", GoldenFolder.Path(name), "--json");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        using JsonDocument json = JsonDocument.Parse(run.Output);
        JsonElement root = json.RootElement, layers = root.GetProperty("layers"), parameters = root.GetProperty("parameters");
        int Number(string property) => layers.GetProperty(property).GetInt32();
        Assert.Equal((window, csa, hca, hash), (Number("window"), Number("csa"), Number("hca"), Number("hash")));
        Assert.Equal((window + csa + hca, window + csa + hca), (Number("total"), Number("hash") + Number("scored")));
        Assert.InRange(parameters.GetProperty("active").GetInt64(), 1, parameters.GetProperty("total").GetInt64());
        Assert.Equal(root.GetProperty("weightsBytes").GetInt64(), root.GetProperty("bytesByFormat").EnumerateObject().Sum(format => format.Value.GetInt64()));
        Assert.Equal(0, root.GetProperty("unusedTensors").GetArrayLength());
        Assert.Equal(name is "g_mtp" or "q_fp8_fp4", root.GetProperty("mtpWeights").GetBoolean());
    }

    [Fact]
    public async Task Describes_the_bundled_model_to_people()
    {
        FathomProcess run = await FathomProcess.RunAsync("inspect");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        foreach (string part in new[] { "fathom-nano: DeepseekV4ForCausalLM", "2 window, 2 CSA", "1 HCA", "1 by hash", "active for each token", "1,048,576", "in F32", "all weights" })
            Assert.Contains(part, run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lists_tensors_that_belong_to_no_weight()
    {
        using var folder = new TempFolder();
        GoldenFolder.CopyWithUnused("a_sliding", folder, "vision.patch.weight");
        FathomProcess run = await FathomProcess.RunAsync("inspect", folder.Root);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("vision.patch.weight", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_tensor_or_folder_fails_with_its_name()
    {
        using var folder = new TempFolder();
        GoldenFolder.Copy("a_sliding", folder, "model.safetensors", tensor => tensor.Name == "layers.1.ffn_norm.weight" ? null : tensor.Bytes.ToArray());
        FathomProcess run = await FathomProcess.RunAsync("inspect", folder.Root);
        Assert.Equal((1, ""), (run.ExitCode, run.Output));
        Assert.Contains("layers.1.ffn_norm.weight: expected", run.Error, StringComparison.Ordinal);

        Assert.Equal(1, (await FathomProcess.RunAsync("inspect", "no-such-folder")).ExitCode);
        Assert.Equal(2, (await FathomProcess.RunAsync("inspect", "one", "--model", "two")).ExitCode);
    }
}
