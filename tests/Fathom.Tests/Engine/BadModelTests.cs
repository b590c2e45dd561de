using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using Fathom.Checkpoints;
using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Engine;
using Fathom.Model;
using Fathom.Tensors;
using Xunit;

namespace Fathom.Tests.Engine;

/// <summary>Whole models that must not load: the error says what is wrong, no memory is kept and no file stays open.</summary>
[Collection(MemoryTests.Name)]
public sealed class BadModelTests : IDisposable
{
    private const string Weights = "model.safetensors";
    private readonly TempFolder _folder = new();
    private readonly CpuDevice _device = new(1);

    public void Dispose()
    {
        _device.Dispose();
        _folder.Dispose();
    }

    private LanguageModel Load(bool allowUnused = false) =>
        LanguageModel.Load(_folder.Root, _device, new LoadOptions { MaxRows = 4, AllowUnusedTensors = allowUnused });

    private void Refused<TException>(params string[] says) where TException : Exception
    {
        long before = MemoryTests.LiveBytes;
        string message = Assert.Throws<TException>(() => Load().Dispose()).Message;
        Assert.All(says, part => Assert.Contains(part, message, StringComparison.Ordinal));
        Assert.Equal(before, MemoryTests.LiveBytes);
        foreach (string path in Directory.GetFiles(_folder.Root))
        {
            new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();
        }
    }

    private void Refused<TException>(TinyCheckpoint checkpoint, params string[] says) where TException : Exception
    {
        checkpoint.Write(_folder);
        Refused<TException>(says);
    }

    private void RefusedFile(Func<byte[], byte[]> damage, params string[] says)
    {
        TinyCheckpoint.Plain().Write(_folder);
        _folder.Write(Weights, damage(File.ReadAllBytes(_folder.Path(Weights))));
        Refused<CheckpointException>([Weights, .. says]);
    }

    // Another header in front of the same data; as long as before, so that the data stays where it is.
    private static byte[] WithOffsets(byte[] file, string tensor, Func<long, long> move)
    {
        int length = (int)BinaryPrimitives.ReadInt64LittleEndian(file);
        JsonNode header = JsonNode.Parse(file.AsSpan(8, length))!;
        JsonArray offsets = header[tensor]!["data_offsets"]!.AsArray();
        header[tensor]!["data_offsets"] = new JsonArray(move((long)offsets[0]!), move((long)offsets[1]!));
        byte[] json = Encoding.UTF8.GetBytes(header.ToJsonString());
        byte[] result = [.. new byte[8], .. json, .. file[(8 + length)..]];
        BinaryPrimitives.WriteInt64LittleEndian(result, json.Length);
        return result;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_undamaged_models_load_and_give_everything_back(bool quantized)
    {
        (quantized ? TinyCheckpoint.Quantized() : TinyCheckpoint.Plain()).Write(_folder);
        long before = MemoryTests.LiveBytes;
        using (var device = new CpuDevice(1))
        using (LanguageModel model = LanguageModel.Load(_folder.Root, device, new LoadOptions { MaxRows = 4 }))
        using (var generator = new Generator(model, device, context: 20))
        {
            generator.Read([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], progress: null, TestContext.Current.CancellationToken);
            Assert.True(generator.Logits.ToArray().All(float.IsFinite));
            Assert.Empty(model.ConfigFile.UnknownKeys);
        }
        Assert.Equal(before, MemoryTests.LiveBytes);
    }

    [Fact]
    public void An_empty_folder_is_refused() => Refused<ModelConfigException>("config.json: expected a model's config, found no such file");

    [Fact]
    public void A_config_alone_is_refused()
    {
        TinyCheckpoint.Plain().Write(_folder);
        File.Delete(_folder.Path(Weights));
        Refused<CheckpointException>("expected model.safetensors", "found none");
    }

    [Fact]
    public void A_truncated_file_is_refused() => RefusedFile(file => file[..^10], "the file is truncated");

    [Fact]
    public void A_file_cut_within_its_header_is_refused() => RefusedFile(file => file[..100], "expected a header of", "found 92 bytes");

    [Fact]
    public void A_header_longer_than_the_file_is_refused() => RefusedFile(
        file =>
        {
            BinaryPrimitives.WriteInt64LittleEndian(file, file.Length);
            return file;
        },
        "expected a header of", "The file is truncated");

    [Fact]
    public void Overlapping_tensors_are_refused() =>
        RefusedFile(file => WithOffsets(file, "head.weight", offset => offset - 2), "head.weight: expected its data to begin at", "the two overlap");

    [Fact]
    public void Offsets_beyond_the_file_are_refused() =>
        RefusedFile(file => WithOffsets(file, "norm.weight", offset => offset + 1_000_000), "norm.weight: expected its data to end by byte", "the file is truncated");

    [Theory]
    [InlineData("embed.weight", DType.Fp8E4M3, "16,8", "embed.weight: expected BF16 or F32 (16, 8), found F8_E4M3 (16, 8)")]
    [InlineData("embed.weight", DType.Bf16, "8,16", "embed.weight: expected BF16 or F32 (16, 8), found BF16 (8, 16)")]
    [InlineData("embed.weight", DType.Bf16, "128", "embed.weight: expected BF16 or F32 (16, 8), found BF16 (128)")]
    [InlineData("layers.0.ffn.gate.tid2eid", DType.F32, "16,1", "tid2eid: expected I64 or I32 (16, 1), found F32 (16, 1)")]
    [InlineData("layers.2.attn.attn_sink", DType.I32, "2", "layers.2.attn.attn_sink: expected BF16 or F32 (2), found I32 (2)")]
    [InlineData("layers.1.attn.wq_a.weight", DType.Fp8E4M3, "4,8", "layers.1.attn.wq_a.scale: expected the scales of layers.1.attn.wq_a.weight")]
    public void A_wrong_format_or_shape_is_refused(string name, DType type, string dimensions, string says)
    {
        TinyCheckpoint checkpoint = TinyCheckpoint.Plain();
        long[] shape = [.. dimensions.Split(',').Select(long.Parse)];
        checkpoint.Tensors[name] = new TinyTensor(type, shape, new byte[new TensorToWrite(name, type, shape).ByteCount]);
        Refused<CheckpointException>(checkpoint, says);
    }

    [Theory]
    [InlineData("embed.weight", "expected embed.weight or model.embed_tokens.weight, found neither")]
    [InlineData("head.weight", "head.weight: expected BF16 or F32 (16, 8), found no such tensor")]
    [InlineData("layers.1.ffn.experts.1.w2.weight", "layers.1.ffn.experts.1.w2.weight: expected packed FP4, F8_E4M3, BF16 or F32 (8, 4), found no such tensor")]
    [InlineData("mtp.0.norm.weight", "mtp.0.norm.weight: expected BF16 or F32 (8), found no such tensor")]
    public void A_missing_tensor_is_refused(string name, string says)
    {
        TinyCheckpoint checkpoint = TinyCheckpoint.Plain();
        checkpoint.Tensors.Remove(name);
        Refused<CheckpointException>(checkpoint, says);
    }

    [Fact]
    public void A_further_tensor_is_refused_by_name_and_accepted_on_request()
    {
        TinyCheckpoint checkpoint = TinyCheckpoint.Plain();
        checkpoint.Tensors["vision.proj.weight"] = new TinyTensor(DType.F32, [1], new byte[4]);
        Refused<CheckpointException>(checkpoint, "found 1 more, the first vision.proj.weight", "--allow-unused");
        Load(allowUnused: true).Dispose();
    }

    [Theory]
    [InlineData("embed.weight", 2 * 8 * 5, new byte[] { 0xC0, 0x7F }, "embed.weight: expected finite values", "row 5, column 0")]
    [InlineData("embed.weight", 2, new byte[] { 0x80, 0xFF }, "embed.weight: expected finite values", "row 0, column 1")]
    [InlineData("hc_head_base", 4, new byte[] { 0, 0, 0x80, 0x7F }, "hc_head_base: expected finite values", "row 0, column 1")]
    [InlineData("layers.0.attn_norm.weight", 2, new byte[] { 0x81, 0xFF }, "attn_norm.weight", "column 1")]
    [InlineData("layers.1.attn.indexer.compressor.ape", 0, new byte[] { 1, 0, 0xC0, 0xFF }, "layers.1.attn.indexer.compressor.ape", "row 0, column 0")]
    [InlineData("layers.0.ffn.gate.tid2eid", 8 * 3, new byte[] { 2 }, "expected expert ids from 0 to 1, found 2 for token 3", "n_routed_experts")]
    [InlineData("layers.0.ffn.gate.tid2eid", 8 * 15 + 7, new byte[] { 0x80 }, "expected expert ids from 0 to 1, found -92233720368547758", "for token 15")]
    public void A_value_that_is_no_weight_is_refused(string name, int offset, byte[] bytes, params string[] says)
    {
        TinyCheckpoint checkpoint = TinyCheckpoint.Plain();
        checkpoint.Patch(name, offset, bytes);
        Refused<CheckpointException>(checkpoint, says);
    }

    [Theory]
    [InlineData("layers.0.attn.wq_a.scale", 0, 0xFF)]
    [InlineData("layers.2.ffn.experts.1.w3.scale", 7, 0xFF)]
    [InlineData("layers.0.attn.wq_a.weight", 33, 0x7F)]
    [InlineData("mtp.0.e_proj.weight", 0, 0xFF)]
    public void A_quantised_value_or_scale_that_is_no_number_is_refused(string name, int offset, byte value)
    {
        TinyCheckpoint checkpoint = TinyCheckpoint.Quantized();
        checkpoint.Patch(name, offset, value);
        Refused<CheckpointException>(checkpoint, $"{name}: expected finite values", "download it again");
    }

    [Fact]
    public void Experts_of_different_formats_in_a_layer_are_refused()
    {
        TinyCheckpoint checkpoint = TinyCheckpoint.Quantized();
        checkpoint.Tensors.Remove("layers.1.ffn.experts.1.w1.scale");
        checkpoint.Tensors["layers.1.ffn.experts.1.w1.weight"] = new TinyTensor(DType.Bf16, [32, 32], new byte[2048]);
        Refused<CheckpointException>(checkpoint, "layers.1.ffn.experts.1.w1.weight: expected Fp4E2M1Pair like expert 0 of this layer, found Bf16");
    }

    [Theory]
    [InlineData("hidden_size", "16", "embed.weight: expected BF16 or F32 (16, 16), found BF16 (16, 8)")]
    [InlineData("vocab_size", "17", "embed.weight: expected BF16 or F32 (17, 8), found BF16 (16, 8)")]
    [InlineData("vocab_size", "16777216", "embed.weight: expected BF16 or F32 (16777216, 8)")]
    [InlineData("n_routed_experts", "65536", "layers.0.ffn.gate.weight: expected BF16 or F32 (65536, 8)")]
    [InlineData("num_experts_per_tok", "2", "layers.0.ffn.gate.tid2eid: expected I64 or I32 (16, 2)")]
    [InlineData("n_shared_experts", "2", "layers.0.ffn.shared_experts.w1.weight: expected F8_E4M3, BF16 or F32 (8, 8)")]
    [InlineData("head_dim", "12", "layers.0.attn.wq_b.weight: expected")]
    [InlineData("num_attention_heads", "4", "layers.0.attn.wq_b.weight: expected")]
    [InlineData("o_groups", "1", "layers.0.attn.wo_a.weight: expected")]
    [InlineData("hc_mult", "4", "layers.0.hc_attn_fn: expected BF16 or F32 (24, 32)")]
    [InlineData("num_hash_layers", "0", "layers.0.ffn.gate.bias: expected BF16 or F32 (2), found no such tensor")]
    [InlineData("compress_ratios", "[0,8,4,0]", "layers.1.attn.compressor.wkv.weight: expected BF16 or F32 (8, 8), found BF16 (16, 8)")]
    [InlineData("compress_ratios", "[0,4,16,0]", "layers.2.attn.compressor.ape: expected BF16 or F32 (16, 8)")]
    [InlineData("compress_ratios", "[0,4,0,0]", "found 4 more, the first layers.2.attn.compressor.ape")]
    [InlineData("index_n_heads", "65536", "layers.1.attn.indexer.wq_b.weight: expected")]
    [InlineData("num_nextn_predict_layers", "0", "the first mtp.0.attn.attn_sink")]
    [InlineData("num_hidden_layers", "2", "mtp.0.")]
    public void A_config_that_contradicts_the_tensors_is_refused_before_anything_is_allocated(string key, string value, string says)
    {
        TinyCheckpoint checkpoint = TinyCheckpoint.Plain();
        checkpoint.Config[key] = JsonNode.Parse(value);
        if (key == "num_hidden_layers")
        {
            checkpoint.Config["compress_ratios"] = new JsonArray(0, 4, 0);
            says = "the first layers.2.";
        }
        Refused<CheckpointException>(checkpoint, says);
    }

    [Theory]
    [InlineData("vocab_size", "2147483648", "a whole number below 2³¹")]
    [InlineData("vocab_size", "2147483647", "expected a number from 1 to 16777216")]
    [InlineData("sliding_window", "1000000000", "expected a number from 1 to 65536")]
    [InlineData("index_topk", "1000000000", "expected a number from 1 to 65536")]
    [InlineData("head_dim", "1000000", "expected a number from 1 to 8192")]
    [InlineData("model_type", "\"deepseek_v3\"", "expected deepseek_v4, found \"deepseek_v3\"")]
    [InlineData("architectures", "[\"LlamaForCausalLM\"]", "expected DeepseekV4ForCausalLM, found LlamaForCausalLM")]
    public void A_config_of_absurd_sizes_or_another_architecture_is_refused(string key, string value, string says)
    {
        TinyCheckpoint checkpoint = TinyCheckpoint.Plain();
        checkpoint.Config[key] = JsonNode.Parse(value);
        Refused<ModelConfigException>(checkpoint, $"{key}: ", says);
    }

    [Fact]
    public void Index_sizes_that_no_layer_uses_take_no_memory()
    {
        TinyCheckpoint checkpoint = TinyCheckpoint.Plain();
        foreach (string name in checkpoint.Tensors.Keys.Where(name => name.Contains(".compressor.", StringComparison.Ordinal) || name.Contains(".indexer.", StringComparison.Ordinal)).ToArray())
        {
            checkpoint.Tensors.Remove(name);
        }
        checkpoint.Config["compress_ratios"] = new JsonArray(0, 0, 0, 0);
        checkpoint.Config["index_n_heads"] = 1024;
        checkpoint.Config["index_head_dim"] = 8192;
        checkpoint.Write(_folder);
        long before = MemoryTests.LiveBytes;
        using LanguageModel model = Load();
        Assert.InRange(MemoryTests.LiveBytes - before, 1, 1_000_000);
    }

    [Fact]
    public void An_unknown_key_is_reported_and_the_model_loads()
    {
        TinyCheckpoint checkpoint = TinyCheckpoint.Plain();
        checkpoint.Config["engram_layers"] = 3;
        checkpoint.Write(_folder);
        using LanguageModel model = Load();
        Assert.Equal(["engram_layers"], model.ConfigFile.UnknownKeys);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(65537)]
    public void Rows_out_of_range_are_refused(int rows)
    {
        TinyCheckpoint.Plain().Write(_folder);
        RequestException error = Assert.Throws<RequestException>(() => LanguageModel.Load(_folder.Root, _device, new LoadOptions { MaxRows = rows }));
        Assert.Contains($"expected 1 to 65536, found {rows}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Wherever_memory_runs_out_everything_is_given_back()
    {
        TinyCheckpoint.Quantized().Write(_folder);
        long before = MemoryTests.LiveBytes;
        int allocations = 0;
        while (!Runs(allocations))
        {
            Assert.Equal(before, MemoryTests.LiveBytes);
            allocations++;
        }
        Assert.Equal(before, MemoryTests.LiveBytes);
        Assert.InRange(allocations, 100, 1000);
    }

    private bool Runs(int allocations)
    {
        using var cpu = new CpuDevice(1);
        using var device = new ScarceDevice(cpu, allocations);
        try
        {
            using LanguageModel model = LanguageModel.Load(_folder.Root, device, new LoadOptions { MaxRows = 4 });
            using var generator = new Generator(model, device, context: 20);
            generator.Read([1, 2, 3], progress: null, TestContext.Current.CancellationToken);
            return true;
        }
        catch (RequestException e)
        {
            Assert.Contains("does not fit into memory: none is left.", e.Message, StringComparison.Ordinal);
            return false;
        }
    }

    /// <summary>Memory for so many allocations.</summary>
    private sealed class ScarceDevice(CpuDevice inner, int left) : DeviceDecorator(inner)
    {
        private int _left = left;

        public override Storage Allocate(long bytes, MemoryPurpose purpose)
        {
            Take();
            return base.Allocate(bytes, purpose);
        }

        public override WeightMatrix Pack(ReadOnlySpan<RawMatrix> stack)
        {
            Take();
            return base.Pack(stack);
        }

        private void Take()
        {
            if (_left-- <= 0)
            {
                throw new InsufficientMemoryException("none is left.");
            }
        }
    }
}
