using System.Text;
using Fathom.Checkpoints;
using Fathom.Tensors;
using Xunit;

namespace Fathom.Tests.Checkpoints;

public sealed class CheckpointWriterTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static List<TensorToWrite> Announce(Checkpoint source) =>
        [.. source.Names.Select(name => source.Get(name)).Select(entry => new TensorToWrite(entry.Name, entry.DType, entry.Shape))];

    private static void Copy(Checkpoint source, string folder, long shardBytesMax)
    {
        using CheckpointWriter writer = CheckpointWriter.Create(folder, Announce(source), shardBytesMax, new Dictionary<string, string> { ["format"] = "pt" });
        // Backwards and in pieces: neither order nor size of a write may matter.
        foreach (string name in source.Names.Reverse())
        {
            ReadOnlySpan<byte> bytes = source.Get(name).Bytes;
            int half = bytes.Length / 2;
            writer.Write(name, bytes[..half]);
            writer.Write(name, bytes[half..]);
        }
        writer.Complete();
    }

    private static void AssertSame(Checkpoint a, Checkpoint b)
    {
        Assert.Equal(a.Names.Order(StringComparer.Ordinal), b.Names.Order(StringComparer.Ordinal));
        foreach (string name in a.Names)
        {
            Assert.Equal(a.Get(name).Shape, b.Get(name).Shape);
            Assert.Equal(a.Get(name).DType, b.Get(name).DType);
            Assert.True(a.Get(name).Bytes.SequenceEqual(b.Get(name).Bytes), name);
        }
    }

    [Theory]
    [InlineData("q_fp8_fp4", long.MaxValue)]
    [InlineData("q_fp8_fp4", 200_000)]
    [InlineData("d_flash/sharded", 400_000)]
    [InlineData("a_sliding", 1)]
    public void A_copy_has_the_same_tensors(string golden, long shardBytesMax)
    {
        using Checkpoint source = Checkpoint.Open(TestFiles.Path(["tests", "goldens", .. golden.Split('/')]));
        Copy(source, _folder.Path("copy"), shardBytesMax);
        using Checkpoint copy = Checkpoint.Open(_folder.Path("copy"));
        Assert.True(shardBytesMax == long.MaxValue ? copy.Files.Count == 1 : copy.Files.Count > 1, $"found {copy.Files.Count} files");
        Assert.True(shardBytesMax > 1 || copy.Files.Count == copy.Names.Count, "a tensor larger than a shard gets a shard of its own");
        Assert.All(copy.Files, file => Assert.Equal("pt", file.Metadata["format"]));
        AssertSame(source, copy);
        Assert.DoesNotContain(Directory.GetFiles(_folder.Path("copy")), file => file.EndsWith(".partial", StringComparison.Ordinal));
    }

    [Fact]
    public void Data_is_aligned_to_its_element_size()
    {
        using (SafetensorsWriter writer = SafetensorsWriter.Create(_folder.Path("a.safetensors"),
            [new("bytes", DType.U8, [3]), new("floats", DType.F32, [2]), new("ids", DType.I64, [1]), new("halves", DType.Bf16, [1])]))
        {
            writer.Write("bytes", [1, 2, 3]);
            writer.Write("floats", new byte[8]);
            writer.Write("ids", new byte[8]);
            writer.Write("halves", new byte[2]);
            writer.Complete();
        }
        using Safetensors file = Safetensors.Open(_folder.Path("a.safetensors"));
        foreach (string name in file.Names)
        {
            file.TryGet(name, out TensorEntry? entry);
            Assert.Equal(0, entry!.View.Offset % entry.DType.Size());
        }
    }

    [Fact]
    public void Leaves_nothing_behind_when_it_is_not_completed()
    {
        _folder.Write("model.safetensors", Encoding.UTF8.GetBytes("old"));
        using (CheckpointWriter writer = CheckpointWriter.Create(_folder.Root, [new("x", DType.U8, [2])]))
        {
            writer.Write("x", [1]);
            Assert.Contains("expected 2 bytes", Assert.Throws<CheckpointException>(writer.Complete).Message, StringComparison.Ordinal);
        }
        Assert.Equal("old", File.ReadAllText(_folder.Path("model.safetensors")));
        Assert.Single(Directory.GetFiles(_folder.Root));
    }

    [Fact]
    public void Replaces_a_single_file_but_no_shards()
    {
        for (byte round = 0; round < 2; round++)
        {
            using CheckpointWriter writer = CheckpointWriter.Create(_folder.Root, [new("x", DType.U8, [1])]);
            writer.Write("x", [round]);
            writer.Complete();
        }
        using (Checkpoint checkpoint = Checkpoint.Open(_folder.Root))
        {
            Assert.Equal([1], checkpoint.Get("x").Bytes.ToArray());
        }
        string message = Assert.Throws<CheckpointException>(() =>
            CheckpointWriter.Create(_folder.Root, [new("x", DType.U8, [1]), new("y", DType.U8, [1])], shardBytesMax: 1)).Message;
        Assert.Contains("found model.safetensors", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_too_much_data_unknown_and_repeated_names_and_impossible_shapes()
    {
        string path = _folder.Path("a.safetensors");
        using (SafetensorsWriter writer = SafetensorsWriter.Create(path, [new("x", DType.F32, [1])]))
        {
            Assert.Throws<CheckpointException>(() => writer.Write("x", new byte[5]));
            Assert.Throws<CheckpointException>(() => writer.Write("y", new byte[4]));
        }
        Assert.Throws<CheckpointException>(() => SafetensorsWriter.Create(path, [new("x", DType.U8, [1]), new("x", DType.U8, [1])]));
        Assert.Throws<CheckpointException>(() => SafetensorsWriter.Create(path, [new("__metadata__", DType.U8, [1])]));
        Assert.Throws<CheckpointException>(() => SafetensorsWriter.Create(path, [new("x", DType.U8, [-1])]));
        Assert.Throws<CheckpointException>(() => SafetensorsWriter.Create(path, [new("x", DType.F32, [1L << 62])]));
        Assert.Throws<CheckpointException>(() => SafetensorsWriter.Create(path, [new("x", DType.U8, [1L << 62]), new("y", DType.U8, [1L << 62])]));
        Assert.Throws<CheckpointException>(() => SafetensorsWriter.Create(_folder.Path("none", "a.safetensors"), []));
        Assert.Empty(Directory.GetFiles(_folder.Root));
    }

    [Fact]
    public void A_failed_shard_takes_the_others_with_it()
    {
        CheckpointWriter writer = CheckpointWriter.Create(_folder.Root, [new("x", DType.U8, [1]), new("y", DType.U8, [1])], shardBytesMax: 1);
        writer.Write("x", [1]);
        writer.Write("y", [1]);
        Directory.CreateDirectory(_folder.Path("model-00002-of-00002.safetensors"));
        Assert.Throws<CheckpointException>(writer.Complete);
        writer.Dispose();
        Assert.Empty(Directory.GetFiles(_folder.Root));
    }

    [Fact]
    public void Names_with_quotes_and_letters_of_any_script_survive()
    {
        const string Name = "größe \"π\" \\ 你好";
        using (SafetensorsWriter writer = SafetensorsWriter.Create(_folder.Path("a.safetensors"), [new(Name, DType.U8, [1])]))
        {
            writer.Write(Name, [7]);
            writer.Complete();
        }
        using Safetensors file = Safetensors.Open(_folder.Path("a.safetensors"));
        Assert.Equal([Name], file.Names);
    }
}
