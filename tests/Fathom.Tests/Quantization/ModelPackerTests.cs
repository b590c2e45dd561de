using System.Runtime.InteropServices;
using Fathom.Checkpoints;
using Fathom.Cpu;
using Fathom.Engine;
using Fathom.Model;
using Fathom.Quantization;
using Xunit;

namespace Fathom.Tests.Quantization;

public sealed class ModelPackerTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly CpuDevice _device = new(2);

    public void Dispose()
    {
        _device.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("a_sliding")]
    [InlineData("b_csa")]
    [InlineData("c_hca")]
    [InlineData("d_flash")]
    [InlineData("d_flash/sharded")]
    [InlineData("e_pro")]
    [InlineData("f_realdims")]
    [InlineData("g_mtp")]
    [InlineData("m_mixed")]
    [InlineData("q_fp8_fp4")]
    public void A_packed_model_gives_the_same_bits(string golden)
    {
        string input = Golden(golden), output = _folder.Path("packed");
        long bytes = Pack(input, output);
        Assert.Equal(Directory.GetFiles(output, "*.safetensors").Sum(file => new FileInfo(file).Length), bytes);
        Assert.False(Directory.Exists(output + ".partial"));
        Assert.Equal(Logits(input), Logits(output));
    }

    [Fact]
    public void The_bundled_model_packed_drafts_the_same_bits()
    {
        string input = TestFiles.Path("models", "fathom-nano"), output = _folder.Path("packed");
        Pack(input, output);
        Assert.Equal(Logits(input), Logits(output));
        using LanguageModel model = LanguageModel.Load(output, _device, new LoadOptions());
        Assert.True(model.Transformer.CanDraft);
        Assert.False(model.IsLargerThanMemory);
        Assert.Contains("not packed", Refusal(() => Pack(output, _folder.Path("again"))));
    }

    [Fact]
    public void Matrices_begin_on_pages_of_the_file_and_need_no_copy()
    {
        string output = _folder.Path("packed");
        Pack(Golden("q_fp8_fp4"), output);
        ModelConfig config = ConfigReader.Read(output).Config;
        using PackedCheckpoint packed = PackedCheckpoint.Open(output, config);
        WeightPart[] parts = [WeightPart.ExpertGate, WeightPart.ExpertDown, WeightPart.QueryUp, WeightPart.OutputDown];
        foreach (WeightPart part in parts)
        {
            Tensors.WeightMatrix matrix = packed.Matrix(part, 0);
            Assert.Equal(0, matrix.Offset % 4096);
            Assert.Same(matrix, _device.Place(matrix));
        }

        Assert.Equal(config.ExpertCount, packed.Matrix(WeightPart.ExpertGate, 0).Count);
        Assert.Equal(config.OutputGroups, packed.Matrix(WeightPart.OutputDown, 0).Count);
    }

    [Fact]
    public void What_was_stopped_goes_on_behind_the_last_whole_file()
    {
        string input = Golden("d_flash"), output = _folder.Path("packed");
        int before = 0;
        using (var stop = new CancellationTokenSource())
        {
            Assert.Throws<OperationCanceledException>(() => ModelPacker.Pack(input, output, _device, (done, _) => Stop(done, stop), stop.Token));
            before = Directory.GetFiles(output + ".partial", "*.safetensors").Length;
        }

        Assert.Equal(2, before);
        Assert.False(Directory.Exists(output));
        DateTime first = File.GetLastWriteTimeUtc(Path.Combine(output + ".partial", "packed-00000.safetensors"));
        var told = new List<int>();
        ModelPacker.Pack(input, output, _device, (done, _) => told.Add(done), TestContext.Current.CancellationToken);
        Assert.Equal(2, told[0]);
        Assert.Equal(first, File.GetLastWriteTimeUtc(Path.Combine(output, "packed-00000.safetensors")));
        Assert.Equal(Logits(input), Logits(output));

        static void Stop(int done, CancellationTokenSource stop)
        {
            if (done == 2)
                stop.Cancel();
        }
    }

    [Fact]
    public void Files_of_another_model_are_not_taken_over()
    {
        string output = _folder.Path("packed");
        using (var stop = new CancellationTokenSource())
        {
            Assert.Throws<OperationCanceledException>(() => ModelPacker.Pack(Golden("d_flash"), output, _device, (done, _) => Stop(done, stop), stop.Token));
        }

        Pack(Golden("e_pro"), output);
        Assert.Equal(Logits(Golden("e_pro")), Logits(output));

        static void Stop(int done, CancellationTokenSource stop)
        {
            if (done == 1)
                stop.Cancel();
        }
    }

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.5)]
    [InlineData(0.999)]
    public void A_flipped_bit_anywhere_is_found_before_the_model_runs(double place)
    {
        string output = _folder.Path("packed");
        Pack(Golden("b_csa"), output);
        string file = Directory.GetFiles(output, "*.safetensors").OrderByDescending(path => new FileInfo(path).Length).First();
        byte[] bytes = File.ReadAllBytes(file);
        bytes[8192 + (int)((bytes.Length - 8193) * place)] ^= 0x10;
        File.WriteAllBytes(file, bytes);
        Assert.Contains("checksum", Refusal(() => LanguageModel.Load(output, _device, new LoadOptions()).Dispose()));
    }

    [Fact]
    public void Truncated_missing_and_foreign_files_are_refused()
    {
        string output = _folder.Path("packed");
        Pack(Golden("b_csa"), output);
        ModelConfig config = ConfigReader.Read(output).Config;
        string file = Path.Combine(output, "packed-00001.safetensors");
        byte[] bytes = File.ReadAllBytes(file);
        File.WriteAllBytes(file, bytes.AsSpan(0, bytes.Length - 5).ToArray());
        Refusal(() => PackedCheckpoint.Open(output, config).Dispose());
        File.Delete(file);
        Assert.Contains("packed-00001", Refusal(() => PackedCheckpoint.Open(output, config).Dispose()));
        File.WriteAllBytes(file, bytes);
        Assert.Contains("files", Refusal(() => PackedCheckpoint.Open(output, config with { LayerCount = config.LayerCount + 3 }).Dispose()));
        string index = Path.Combine(output, PackedCheckpoint.IndexName), text = File.ReadAllText(index);
        File.WriteAllText(index, text.Replace("\"layout\": 1", "\"layout\": 7", StringComparison.Ordinal));
        Assert.Contains("layout 1, found 7", Refusal(() => PackedCheckpoint.Open(output, config).Dispose()));
        foreach (string damaged in (string[])["", "{", "{}", "[]", "null", "{\"layout\":1,\"source\":\"a\",\"files\":[null]}"])
        {
            File.WriteAllText(index, damaged);
            Refusal(() => PackedCheckpoint.Open(output, config).Dispose());
        }
    }

    private long Pack(string input, string output) => ModelPacker.Pack(input, output, _device, null, TestContext.Current.CancellationToken);

    private static string Refusal(Action action) => Assert.Throws<CheckpointException>(action).Message;

    private byte[] Logits(string folder)
    {
        using LanguageModel model = LanguageModel.Load(folder, _device, new LoadOptions { AllowUnusedTensors = true });
        int[] tokens = [.. Enumerable.Range(0, 70).Select(i => (i * 97) % model.Config.VocabularySize)];
        using SequenceCache sequence = model.Transformer.NewSequence();
        var batch = new Batch(tokens.Length);
        batch.Add(sequence, tokens, tokens.Length);
        float[] logits = new float[tokens.Length * model.Config.VocabularySize];
        _device.Download(model.Transformer.Forward(batch), MemoryMarshal.AsBytes(logits.AsSpan()));
        return MemoryMarshal.AsBytes(logits.AsSpan()).ToArray();
    }

    private static string Golden(string name) => TestFiles.Path(["tests", "goldens", .. name.Split('/')]);
}
