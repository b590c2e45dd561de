using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Tensors;
using Xunit;

namespace Fathom.Tests.Checkpoints;

public sealed class CheckpointReaderTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Cases => ConfigReaderTests.Cases;

    private static byte[] Bytes(Tensor view) => view.IsNone
        ? []
        : [.. new Tensor(view.Storage!, view.Offset, DType.U8, 1, 1, checked((int)(view.Count * view.Type.Size()))).Span<byte>()];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_golden_checkpoint_fits_its_config_and_has_nothing_else(string folder)
    {
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        CheckpointReader reader = CheckpointReader.Open(checkpoint, ConfigReader.Read(folder).Config);
        Assert.Equal(WeightSpelling.Official, reader.Spelling);
        Assert.Empty(reader.UnknownNames);
    }

    [Theory]
    [InlineData("d_flash", false)]
    [InlineData("e_pro", true)]
    [InlineData("q_fp8_fp4", false)]
    [InlineData("g_mtp", true)]
    public void Transformers_names_with_stacked_experts_give_the_same_weights(string golden, bool olderIndexer)
    {
        string folder = TestFiles.Path("tests", "goldens", golden);
        ModelConfig config = ConfigReader.Read(folder).Config;
        using Checkpoint official = Checkpoint.Open(folder);
        TransformersCheckpoint.Write(official, config, _folder.Root, olderIndexer);
        using Checkpoint transformers = Checkpoint.Open(_folder.Root);
        CheckpointReader expected = CheckpointReader.Open(official, config);
        CheckpointReader found = CheckpointReader.Open(transformers, config);
        Assert.Equal(WeightSpelling.Transformers, found.Spelling);
        Assert.Empty(found.UnknownNames);
        Assert.DoesNotContain(found.Weights, weight => weight.Key.Layer >= config.LayerCount);
        foreach (ExpectedWeight weight in found.Weights)
        {
            StoredWeight a = expected.Read(weight);
            StoredWeight b = found.Read(weight);
            Assert.Equal(a.Values.ToString(), b.Values.ToString());
            Assert.True(Bytes(a.Values).AsSpan().SequenceEqual(Bytes(b.Values)), weight.Name);
            Assert.True(Bytes(a.Scales).AsSpan().SequenceEqual(Bytes(b.Scales)), weight.ScaleName);
        }
    }

    private string Refused(ModelConfig config, params TensorToWrite[] tensors)
    {
        using (CheckpointWriter writer = CheckpointWriter.Create(_folder.Root, tensors))
        {
            foreach (TensorToWrite tensor in tensors)
            {
                writer.Write(tensor.Name, new byte[tensor.ByteCount]);
            }
            writer.Complete();
        }
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Root);
        return Assert.Throws<CheckpointException>(() => CheckpointReader.Open(checkpoint, config)).Message;
    }

    private static ModelConfig Tiny => ConfigReader.Read(TestFiles.Path("tests", "goldens", "d_flash")).Config;

    [Fact]
    public void Refuses_a_checkpoint_of_another_family() =>
        Assert.Contains("neither among 1", Refused(Tiny, new TensorToWrite("wte.weight", DType.F32, [4])), StringComparison.Ordinal);

    [Fact]
    public void Refuses_a_missing_tensor() => Assert.Contains("layers.0.hc_attn_fn: expected BF16 or F32 (24, 256), found no such tensor",
        Refused(Tiny, new TensorToWrite("embed.weight", DType.Bf16, [256, 64])), StringComparison.Ordinal);

    [Fact]
    public void Refuses_a_shape_that_contradicts_the_config() => Assert.Contains("embed.weight: expected BF16 or F32 (256, 64), found BF16 (256, 65)",
        Refused(Tiny, new TensorToWrite("embed.weight", DType.Bf16, [256, 65])), StringComparison.Ordinal);

    [Fact]
    public void Refuses_a_format_that_the_weight_cannot_have() => Assert.Contains("embed.weight: expected BF16 or F32 (256, 64), found F8_E4M3",
        Refused(Tiny, new TensorToWrite("embed.weight", DType.Fp8E4M3, [256, 64])), StringComparison.Ordinal);

    [Theory]
    [InlineData(false, "layers.0.attn.wq_a.scale: expected the scales of layers.0.attn.wq_a.weight F8_E4M3 (32, 64), found no such tensor")]
    [InlineData(true, "layers.0.attn.wq_a.scale: expected F8_E8M0 (1, 1), found F8_E8M0 (2, 1)")]
    public void Refuses_missing_and_misshapen_scales(bool misshapen, string says)
    {
        string folder = TestFiles.Path("tests", "goldens", "d_flash");
        using Checkpoint source = Checkpoint.Open(folder);
        var tensors = source.Names.Select(name => source.Get(name)).Select(entry => entry.Name == "layers.0.attn.wq_a.weight"
            ? new TensorToWrite(entry.Name, DType.Fp8E4M3, entry.Shape) : new TensorToWrite(entry.Name, entry.DType, entry.Shape)).ToList();
        if (misshapen)
        {
            tensors.Add(new TensorToWrite("layers.0.attn.wq_a.scale", DType.Ue8m0, [2, 1]));
        }
        Assert.Contains(says, Refused(Tiny, [.. tensors]), StringComparison.Ordinal);
    }

    [Fact]
    public void Reports_tensors_that_it_does_not_know()
    {
        string folder = TestFiles.Path("tests", "goldens", "g_mtp");
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        ModelConfig config = ConfigReader.Read(folder).Config;
        CheckpointReader reader = CheckpointReader.Open(checkpoint, config with { MtpLayerCount = 0 });
        Assert.NotEmpty(reader.UnknownNames);
        Assert.All(reader.UnknownNames, name => Assert.StartsWith("mtp.0.", name, StringComparison.Ordinal));
    }
}
