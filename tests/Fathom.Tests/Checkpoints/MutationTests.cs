using System.Text;
using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Text;
using Xunit;

namespace Fathom.Tests.Checkpoints;

public sealed class MutationTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Damaged_safetensors_are_read_or_refused()
    {
        string path = _folder.Path("model.safetensors");
        byte[][] originals =
        [
            SafetensorsTests.Raw("""{"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"y":{"dtype":"BF16","shape":[2,1,2],"data_offsets":[3,11]}}""", 11),
            SafetensorsTests.Raw("""
                {"__metadata__":{"format":"pt"},"embed.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},
                "a.weight":{"dtype":"I8","shape":[1,16],"data_offsets":[16,32]},"a.scale":{"dtype":"F8_E8M0","shape":[1,1],"data_offsets":[32,33]},
                "t":{"dtype":"I64","shape":[],"data_offsets":[33,41]}}
                """, 41),
        ];
        Mutations.Run(originals, input =>
        {
            File.WriteAllBytes(path, input);
            using Checkpoint checkpoint = Checkpoint.Open(path);
            foreach (string name in checkpoint.Names)
            {
                Touch(checkpoint.Get(name));
            }
        }, Header);
    }

    [Fact]
    public void Damaged_configs_are_read_or_refused()
    {
        System.Text.Json.Nodes.JsonObject released = ConfigSpellings.Released(TestFiles.Path("tests", "goldens", "q_fp8_fp4"));
        byte[][] originals =
        [
            Encoding.UTF8.GetBytes(released.ToJsonString()),
            Encoding.UTF8.GetBytes(ConfigSpellings.Inference(released).ToJsonString()),
            Encoding.UTF8.GetBytes(ConfigSpellings.Transformers(released).ToJsonString()),
        ];
        Mutations.Run(originals, input =>
        {
            ModelConfig config = ConfigReader.Parse(input, "config.json").Config;
            // What passed the door must be safe to compute sizes with.
            foreach (ExpectedWeight weight in ExpectedWeights.Of(config).Take(1000))
            {
                Assert.True(weight.Count > 0);
            }
        }, _ => ..);
    }

    [Fact]
    public void Damaged_indexes_are_read_or_refused()
    {
        _folder.Write("a.safetensors", SafetensorsTests.Raw("""{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1));
        _folder.Write("b.safetensors", SafetensorsTests.Raw("""{"y":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1));
        string path = _folder.Path("model.safetensors.index.json");
        byte[] original = Encoding.UTF8.GetBytes("""{"metadata":{"total_size":2},"weight_map":{"x":"a.safetensors","y":"b.safetensors"}}""");
        Mutations.Run([original], input =>
        {
            File.WriteAllBytes(path, input);
            Checkpoint.Open(_folder.Root).Dispose();
        }, _ => ..);
    }

    [Fact]
    public void Damaged_tokenizers_are_read_or_refused()
    {
        string path = _folder.Path("tokenizer.json");
        byte[] original = File.ReadAllBytes(TestFiles.Path("models", "seed", "tokenizer.json"));
        byte[] text = [.. "It was <think>the \u00e9t\u00e9 of 1,984."u8, 0xFF];
        Mutations.Run([original], input =>
        {
            File.WriteAllBytes(path, input);
            Tokenizer tokenizer = Tokenizer.Load(path);
            int[] ids = tokenizer.Encode(text, recognizeAddedTokens: true);
            Assert.All(ids, id => Assert.InRange(id, 0, tokenizer.VocabularySize - 1));
            Assert.Equal(text, tokenizer.DecodeBytes(ids));
        }, _ => ..);
    }

    /// <summary>Where the header lies in a safetensors file, also in a damaged one.</summary>
    internal static Range Header(byte[] input) =>
        input.Length < 8 ? 0..0 : 8..(int)(8 + Math.Clamp(BitConverter.ToInt64(input), 0, input.Length - 8));

    private static void Touch(TensorEntry entry)
    {
        int sum = entry.View.Rows;
        foreach (byte value in entry.Bytes)
        {
            sum += value;
        }
        Assert.True(sum >= 0);
    }
}
