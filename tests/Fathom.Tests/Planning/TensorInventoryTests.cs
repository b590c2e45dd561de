using Fathom.Planning;
using Xunit;

namespace Fathom.Tests.Planning;

public class TensorInventoryTests
{
    private static readonly TensorInventory s_flash = TensorInventory.For(KnownModels.Flash);
    private static readonly TensorInventory s_pro = TensorInventory.For(KnownModels.Pro);

    // The figures were computed a second time, by an independent script in another language.
    [Fact]
    public void Flash_has_the_published_parameters()
    {
        Assert.Equal(284.33, s_flash.Parameters / 1e9, 0.005);
        Assert.Equal(6.61, s_flash.MtpParameters / 1e9, 0.005);
        Assert.Equal(13.80, s_flash.ActiveParameters / 1e9, 0.005);
        Assert.Equal(13.27, s_flash.MultipliedParameters / 1e9, 0.005);
    }

    [Fact]
    public void Pro_has_the_published_parameters()
    {
        Assert.Equal(1573.00, s_pro.Parameters / 1e9, 0.005);
        Assert.Equal(25.84, s_pro.MtpParameters / 1e9, 0.005);
        Assert.Equal(49.78, s_pro.ActiveParameters / 1e9, 0.005);
        Assert.Equal(48.85, s_pro.MultipliedParameters / 1e9, 0.005);
    }

    [Fact]
    public void Tensor_counts_are_those_of_the_released_files()
    {
        Assert.Equal(69_187, s_flash.TensorCount);
        Assert.Equal(145_116, s_pro.TensorCount);
    }

    [Fact]
    public void Bytes_are_those_of_the_released_files()
    {
        Assert.Equal(159.61, s_flash.Bytes / 1e9, 0.005);
        Assert.Equal(156.02, s_flash.MainBytes / 1e9, 0.005);
        Assert.Equal(864.70, s_pro.Bytes / 1e9, 0.005);
        Assert.Equal(850.75, s_pro.MainBytes / 1e9, 0.005);
    }

    [Theory]
    [InlineData(NumberFormat.Bf16, 2.83, 5.63)]
    [InlineData(NumberFormat.F32, 0.14, 0.35)]
    [InlineData(NumberFormat.Fp8, 5.86, 22.70)]
    [InlineData(NumberFormat.Fp4, 147.17, 822.05)]
    [InlineData(NumberFormat.I64, 0.02, 0.02)]
    public void Bytes_split_by_number_format(NumberFormat format, double flash, double pro)
    {
        Assert.Equal(flash, s_flash.BytesIn(format) / 1e9, 0.005);
        Assert.Equal(pro, s_pro.BytesIn(format) / 1e9, 0.005);
    }

    [Fact]
    public void A_token_reads_the_active_weights_only()
    {
        Assert.Equal(11.2, s_flash.BytesReadPerToken / 1e9, 0.05);
        Assert.Equal(39.7, s_pro.BytesReadPerToken / 1e9, 0.05);
    }

    [Fact]
    public void A_routed_expert_is_active_as_often_as_it_is_chosen()
    {
        TensorGroup w1 = s_flash.Main.Single(t => t.Name == "layers.7.ffn.experts.*.w1");
        Assert.Equal(6.0 / 256, w1.ActiveFraction, 1e-12);
        Assert.Equal(2 * 256, w1.TensorCount);
    }

    [Fact]
    public void A_token_reads_one_row_of_a_table()
    {
        Assert.Equal(2 * 4096, s_flash.Main.Single(t => t.Name == "embed").BytesRead);
        TensorGroup ids = s_flash.Main.Single(t => t.Name == "layers.2.ffn.gate.tid2eid");
        Assert.Equal(8 * 6, ids.BytesRead);
        Assert.Equal(0, ids.Parameters);
    }

    [Fact]
    public void The_seed_has_the_parameters_of_its_model_card()
    {
        TensorInventory seed = TensorInventory.For(TinyConfigs.Seed);
        Assert.Equal(3_338_181, seed.Parameters);
        Assert.Equal(1_863_621, seed.ActiveParameters);
        Assert.Empty(seed.Mtp);
    }

    [Fact]
    public void The_seeds_file_holds_exactly_the_inventory_in_bf16()
    {
        using FileStream file = File.OpenRead(TestFiles.Path("models", "seed", "model.safetensors"));
        using var reader = new BinaryReader(file);
        long headerBytes = reader.ReadInt64();
        TensorInventory seed = TensorInventory.For(TinyConfigs.Seed, NumberFormat.Bf16, NumberFormat.Bf16);
        Assert.Equal(file.Length - 8 - headerBytes, seed.Bytes);
    }

    [Fact]
    public void Experts_in_another_format_change_bytes_and_not_parameters()
    {
        TensorInventory fp8 = TensorInventory.For(KnownModels.Flash, NumberFormat.Fp8, NumberFormat.Fp8);
        Assert.Equal(s_flash.Parameters, fp8.Parameters);
        Assert.Equal(0, fp8.BytesIn(NumberFormat.Fp4));
        Assert.Equal(277.0 + 5.86, fp8.BytesIn(NumberFormat.Fp8) / 1e9, 0.05);
    }
}
