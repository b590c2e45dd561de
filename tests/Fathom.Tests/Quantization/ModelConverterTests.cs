using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using Fathom.Checkpoints;
using Fathom.Cpu;
using Fathom.Model;
using Fathom.Quantization;
using Fathom.Tensors;
using Fathom.Tests.Checkpoints;
using Fathom.Tests.Engine;
using Xunit;

namespace Fathom.Tests.Quantization;

public sealed class ModelConverterTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

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
    public void Every_golden_model_becomes_official_and_loads_with_the_rounded_values(string golden)
    {
        string input = Golden(golden), output = _folder.Path("official");
        ConversionReport report = Convert(input, output, ModelFormat.Official);
        Assert.Empty(report.LeftOut);
        Assert.True(report.BytesAfter <= report.BytesBefore);
        ModelConfig config = ConfigReader.Read(output).Config;
        using Checkpoint before = Checkpoint.Open(input), after = Checkpoint.Open(output);
        CheckpointReader from = CheckpointReader.Open(before, config), to = CheckpointReader.Open(after, config);
        Assert.Empty(to.UnknownNames);
        foreach (ExpectedWeight weight in to.Weights)
        {
            StoredWeight stored = to.Read(weight);
            DType type = ModelFormat.Official.TypeOf(weight);
            Assert.Equal(type, stored.Values.Type);
            if (weight.Role != WeightRole.Ids)
            {
                float[] values = Values(from.Read(weight), weight);
                Assert.True(Rounded(values, weight, type).AsSpan().SequenceEqual(Values(stored, weight)), weight.Name);
            }
        }
        using var device = new CpuDevice(2);
        using ModelWeights loaded = WeightLoader.Load(device, config, to);
        Assert.Equal(config.LayerCount, loaded.Layers.Count);
    }

    [Fact]
    public void An_official_model_keeps_its_bytes_also_behind_a_detour()
    {
        string input = Golden("q_fp8_fp4");
        Convert(input, _folder.Path("same"), ModelFormat.Official);
        AssertSame(input, _folder.Path("same"));
        JsonNode expected = JsonNode.Parse(File.ReadAllText(Path.Combine(input, "config.json")))!;
        Assert.True(JsonNode.DeepEquals(expected, JsonNode.Parse(File.ReadAllText(_folder.Path("same", "config.json")))));

        // Codes may differ where another scale gives the same values; the values may not.
        foreach (ModelFormat format in new[] { ModelFormat.F32, ModelFormat.Bf16 })
        {
            string wide = _folder.Path($"{format}"), back = _folder.Path($"{format}-back");
            Assert.All(Convert(input, wide, format).Parts, part => Assert.Equal(0, part.WorstError));
            Assert.All(Convert(wide, back, ModelFormat.Official).Parts, part => Assert.Equal(0, part.WorstError));
            Assert.DoesNotContain("quantization_config", File.ReadAllText(Path.Combine(wide, "config.json")), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("d_flash")]
    [InlineData("g_mtp")]
    public void Transformers_names_and_config_become_official(string golden)
    {
        string input = _folder.Path("transformers"), output = _folder.Path("out");
        Directory.CreateDirectory(input);
        using (Checkpoint source = Checkpoint.Open(Golden(golden)))
        {
            TransformersCheckpoint.Write(source, ConfigReader.Read(Golden(golden)).Config, input);
        }
        File.WriteAllText(Path.Combine(input, "config.json"), ConfigSpellings.Transformers(ConfigSpellings.Released(Golden(golden))).ToJsonString());
        Convert(input, output, ModelFormat.Bf16);
        ConfigFile config = ConfigReader.Read(output);
        Assert.Equal(ConfigSpelling.Released, config.Spelling);
        Assert.Equal(0, config.Config.MtpLayerCount);
        using Checkpoint after = Checkpoint.Open(output);
        Assert.Equal(WeightSpelling.Official, CheckpointReader.Open(after, config.Config).Spelling);
    }

    [Fact]
    public void What_cannot_be_converted_is_refused_and_leaves_nothing()
    {
        string input = Golden("a_sliding");
        _folder.Write("kept.txt", [1]);
        Refused(() => Convert(input, _folder.Root, ModelFormat.Bf16), "nothing is overwritten");
        Refused(() => Convert(input, _folder.Path("kept.txt"), ModelFormat.Bf16), "a file");
        Refused(() => Convert(input, _folder.Path("kept.txt", "below"), ModelFormat.Bf16), "can't be written");
        Refused(() => Convert(_folder.Path("none"), _folder.Path("out"), ModelFormat.Bf16), "expected a model's folder");

        using var wrong = new TempFolder();
        TinyCheckpoint tiny = TinyCheckpoint.Plain();
        tiny.Tensors["embed.weight"] = new TinyTensor(
            DType.F32, tiny.Tensors["embed.weight"].Shape, MemoryMarshal.AsBytes<float>(Enumerable.Repeat(float.MaxValue, 16 * 8).ToArray()).ToArray());
        tiny.Write(wrong);
        Refused(() => Convert(wrong.Root, _folder.Path("out"), ModelFormat.Official), "embed.weight");
        Assert.Throws<OperationCanceledException>(() => ModelConverter.Convert(input, _folder.Path("out"), ModelFormat.F32, cancellation: new CancellationToken(true)));
        Assert.Equal(["kept.txt"], Directory.EnumerateFileSystemEntries(_folder.Root).Select(Path.GetFileName));

        static void Refused(Action action, string telling) => Assert.Contains(telling, Assert.Throws<CheckpointException>(action).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Companions_come_along_and_unknown_tensors_are_told()
    {
        using var input = new TempFolder();
        TinyCheckpoint tiny = TinyCheckpoint.Quantized();
        tiny.Tensors["vision.patch.weight"] = new TinyTensor(DType.F32, [2], new byte[8]);
        tiny.Write(input);
        input.Write("tokenizer.json", Encoding.UTF8.GetBytes("{}"));
        Directory.CreateDirectory(_folder.Path("out"));                                        // an empty folder is no obstacle
        ConversionReport report = Convert(input.Root, _folder.Path("out"), ModelFormat.Official);
        Assert.Equal(["vision.patch.weight"], report.LeftOut);
        Assert.Equal(report.BytesAfter, report.Formats.Sum(format => format.Bytes));
        Assert.True(File.Exists(_folder.Path("out", "tokenizer.json")));
    }

    private static ConversionReport Convert(string input, string output, ModelFormat format) =>
        ModelConverter.Convert(input, output, format, cancellation: TestContext.Current.CancellationToken);

    private static string Golden(string name) => TestFiles.Path(["tests", "goldens", .. name.Split('/')]);

    private static float[] Values(StoredWeight stored, ExpectedWeight weight)
    {
        var values = new float[weight.Count];
        for (int first = 0; first < weight.Rows; first += WeightRows.Most)
        {
            int rows = Math.Min(WeightRows.Most, weight.Rows - first);
            ReadOnlySpan<byte> scales = stored.Values.Type switch
            {
                DType.Fp8E4M3 => stored.Scales.Row(first / WeightRows.Most).Span<byte>(),
                DType.Fp4E2M1Pair => stored.Scales.Slice(first, rows).Span<byte>(),
                _ => default,
            };
            WeightRows.Decode(
                stored.Values.Slice(first, rows).Span<byte>(), scales, weight.Columns, stored.Values.Type, values.AsSpan(first * weight.Columns, rows * weight.Columns));
        }
        return values;
    }

    private static float[] Rounded(float[] values, ExpectedWeight weight, DType type)
    {
        var rounded = new float[values.Length];
        for (int at = 0; at < values.Length; at += WeightRows.Most * weight.Columns)
        {
            int count = Math.Min(WeightRows.Most * weight.Columns, values.Length - at), rows = count / weight.Columns;
            var codes = new byte[WeightRows.ValueBytes(type, rows, weight.Columns)];
            var scales = new byte[WeightRows.ScaleCount(type, rows, weight.Columns)];
            WeightRows.Encode(values.AsSpan(at, count), weight.Columns, type, codes, scales);
            WeightRows.Decode(codes, scales, weight.Columns, type, rounded.AsSpan(at, count));
        }
        return rounded;
    }

    private static void AssertSame(string before, string after)
    {
        using Checkpoint a = Checkpoint.Open(before), b = Checkpoint.Open(after);
        Assert.Equal(a.Names.Order(StringComparer.Ordinal), b.Names.Order(StringComparer.Ordinal));
        foreach (string name in a.Names)
        {
            Assert.Equal(a.Get(name).ToString(), b.Get(name).ToString());
            Assert.True(a.Get(name).Bytes.SequenceEqual(b.Get(name).Bytes), name);
        }
    }
}
