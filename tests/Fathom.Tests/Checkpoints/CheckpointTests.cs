using System.Text;
using Fathom.Checkpoints;
using Xunit;

namespace Fathom.Tests.Checkpoints;

public sealed class CheckpointTests : IDisposable
{
    private const string X = """{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""";
    private const string Y = """{"y":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""";
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private void File(string name, string header) => _folder.Write(name, SafetensorsTests.Raw(header, 1));

    private void Index(string json) => _folder.Write("model.safetensors.index.json", Encoding.UTF8.GetBytes(json));

    private void Refused(params string[] says)
    {
        string message = Assert.Throws<CheckpointException>(() => Checkpoint.Open(_folder.Root).Dispose()).Message;
        Assert.All(says, part => Assert.Contains(part, message, StringComparison.Ordinal));
    }

    [Fact]
    public void Shards_hold_the_same_tensors_as_the_single_file()
    {
        using Checkpoint single = Checkpoint.Open(TestFiles.Path("tests", "goldens", "d_flash"));
        using Checkpoint sharded = Checkpoint.Open(TestFiles.Path("tests", "goldens", "d_flash", "sharded"));
        Assert.Equal(3, sharded.Files.Count);
        Assert.Equal(single.Names.Order(StringComparer.Ordinal), sharded.Names.Order(StringComparer.Ordinal));
        foreach (string name in single.Names)
        {
            TensorEntry a = single.Get(name);
            TensorEntry b = sharded.Get(name);
            Assert.Equal(a.Shape, b.Shape);
            Assert.Equal(a.DType, b.DType);
            Assert.True(a.Bytes.SequenceEqual(b.Bytes), name);
        }
    }

    [Fact]
    public void Opens_a_file_an_index_and_numbered_shards()
    {
        File("model-00001-of-00002.safetensors", X);
        File("model-00002-of-00002.safetensors", Y);
        using (Checkpoint numbered = Checkpoint.Open(_folder.Root))
        {
            Assert.Equal(2, numbered.Names.Count);
        }
        Index("""{"metadata":{"total_size":2},"weight_map":{"x":"model-00001-of-00002.safetensors","y":"model-00002-of-00002.safetensors"}}""");
        using (Checkpoint indexed = Checkpoint.Open(_folder.Path("model.safetensors.index.json")))
        {
            Assert.Equal(2, indexed.Names.Count);
        }
        using Checkpoint one = Checkpoint.Open(_folder.Path("model-00002-of-00002.safetensors"));
        Assert.Equal(["y"], one.Names);
        Assert.Contains("x: expected", Assert.Throws<CheckpointException>(() => one.Get("x")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Finds_the_scale_of_packed_weights_in_another_shard()
    {
        _folder.Write("model-00001-of-00002.safetensors", SafetensorsTests.Raw("""{"x.weight":{"dtype":"I8","shape":[1,16],"data_offsets":[0,16]}}""", 16));
        File("model-00002-of-00002.safetensors", """{"x.scale":{"dtype":"F8_E8M0","shape":[1,1],"data_offsets":[0,1]}}""");
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Root);
        Assert.Equal(Fathom.Tensors.DType.Fp4E2M1Pair, checkpoint.Get("x.weight").DType);
    }

    [Fact]
    public void Refuses_an_empty_folder() => Refused("found none");

    [Fact]
    public void Refuses_a_folder_with_other_files_only()
    {
        File("case.safetensors", X);
        Refused("only case.safetensors");
    }

    [Fact]
    public void Refuses_a_missing_numbered_shard()
    {
        File("model-00001-of-00003.safetensors", X);
        File("model-00003-of-00003.safetensors", Y);
        Refused("shard 2", "found model-00003-of-00003.safetensors");
    }

    [Fact]
    public void Refuses_a_missing_last_shard()
    {
        File("model-00001-of-00002.safetensors", X);
        Refused("expected 00002 shards, found 1");
    }

    [Fact]
    public void Refuses_a_missing_indexed_shard()
    {
        File("a.safetensors", X);
        Index("""{"weight_map":{"x":"a.safetensors","y":"b.safetensors"}}""");
        Refused("b.safetensors", "Download it");
    }

    [Fact]
    public void Refuses_a_listed_tensor_that_no_shard_has()
    {
        File("a.safetensors", X);
        Index("""{"weight_map":{"x":"a.safetensors","y":"a.safetensors"}}""");
        Refused("y: expected in a.safetensors", "found in no shard");
    }

    [Fact]
    public void Refuses_a_tensor_in_another_shard_than_listed()
    {
        File("a.safetensors", X);
        File("b.safetensors", Y);
        Index("""{"weight_map":{"y":"a.safetensors","x":"b.safetensors"}}""");
        Refused("according to", "different revisions");
    }

    [Fact]
    public void Refuses_a_tensor_that_the_index_does_not_list()
    {
        _folder.Write("a.safetensors", SafetensorsTests.Raw(
            """{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"z":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2));
        Index("""{"weight_map":{"x":"a.safetensors"}}""");
        Refused("z: expected");
    }

    [Fact]
    public void Refuses_the_same_tensor_in_two_shards()
    {
        File("a.safetensors", X);
        _folder.Write("b.safetensors", SafetensorsTests.Raw(
            """{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"y":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2));
        Index("""{"weight_map":{"x":"a.safetensors","y":"b.safetensors"}}""");
        Refused("x: expected in one file", "a.safetensors", "b.safetensors");
    }

    [Fact]
    public void Refuses_an_index_beside_an_unlisted_single_file()
    {
        File("a.safetensors", X);
        File("model.safetensors", X);
        Index("""{"weight_map":{"x":"a.safetensors"}}""");
        Refused("found both");
    }

    [Theory]
    [InlineData("""{"weight_map":{"x":"../a.safetensors"}}""", "same folder")]
    [InlineData("""{"weight_map":{"x":"/etc/passwd"}}""", "same folder")]
    [InlineData("""{"weight_map":{"x":""}}""", "same folder")]
    [InlineData("""{"weight_map":{"x":".."}}""", "same folder")]
    [InlineData("""{"weight_map":{"x":1}}""", "a JSON string")]
    [InlineData("""{"weight_map":{"x":"a.safetensors","x":"a.safetensors"}}""", "one shard")]
    [InlineData("""{"weight_map":{},"weight_map":{}}""", "two")]
    [InlineData("""{"weight_map":[]}""", "a JSON object")]
    [InlineData("""{}""", "weight_map")]
    [InlineData("""[]""", "a JSON object")]
    [InlineData("""{"weight_map":{"x":"a""", "JSON")]
    [InlineData("", "JSON")]
    public void Refuses_a_bad_index(string json, string says)
    {
        File("a.safetensors", X);
        Index(json);
        Refused(says);
    }
}
