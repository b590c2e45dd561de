using System.Buffers.Binary;
using System.Text;
using Fathom.Checkpoints;
using Fathom.Tensors;
using Xunit;

namespace Fathom.Tests.Checkpoints;

public sealed class SafetensorsTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>A file with this header and this many bytes of data.</summary>
    internal static byte[] Raw(string header, int dataBytes, long? claimedLength = null)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        byte[] file = new byte[8 + json.Length + dataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(file, claimedLength ?? json.Length);
        json.CopyTo(file, 8);
        for (int i = 0; i < dataBytes; i++)
        {
            file[8 + json.Length + i] = (byte)i;
        }
        return file;
    }

    private string Refused(byte[] content, params string[] says)
    {
        string path = _folder.Write("bad.safetensors", content);
        string message = Assert.Throws<CheckpointException>(() => Safetensors.Open(path).Dispose()).Message;
        foreach (string part in says.Append(path))
        {
            Assert.Contains(part, message, StringComparison.Ordinal);
        }
        return message;
    }

    [Fact]
    public void Opens_every_golden_file()
    {
        string[] files = Directory.GetFiles(TestFiles.Path("tests", "goldens"), "*.safetensors", SearchOption.AllDirectories);
        Assert.NotEmpty(files);
        foreach (string path in files)
        {
            using Safetensors file = Safetensors.Open(path);
            Assert.NotEqual(0, file.Count);
        }
    }

    [Fact]
    public void Reads_shape_type_metadata_and_bytes()
    {
        string path = _folder.Write("a.safetensors", Raw(
            """
            {"__metadata__":{"format":"pt"},"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},
            "y":{"dtype":"BF16","shape":[2,1,2],"data_offsets":[3,11]}}

            """, 11));
        using Safetensors file = Safetensors.Open(path);
        Assert.Equal("pt", file.Metadata["format"]);
        Assert.True(file.TryGet("y", out TensorEntry? y));
        Assert.Equal([2, 1, 2], y.Shape);
        Assert.Equal(DType.Bf16, y.DType);
        Assert.Equal([3, 4, 5, 6, 7, 8, 9, 10], y.Bytes.ToArray());
        Assert.Equal("Bf16 (2, 1, 2)", y.View.ToString());
        Assert.Equal(0x0403, y.View.Span<ushort>()[0]);
        Assert.False(file.TryGet("z", out _));
    }

    [Fact]
    public void Accepts_scalars_empty_tensors_and_an_empty_header()
    {
        string path = _folder.Write("a.safetensors", Raw(
            """{"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"e":{"dtype":"F32","shape":[0,5],"data_offsets":[4,4]}}""", 4));
        using (Safetensors file = Safetensors.Open(path))
        {
            Assert.True(file.TryGet("s", out TensorEntry? scalar));
            Assert.Equal(1, scalar.View.Count);
            Assert.True(file.TryGet("e", out TensorEntry? empty));
            Assert.Equal(0, empty.View.Count);
            Assert.True(empty.Bytes.IsEmpty);
        }
        using Safetensors none = Safetensors.Open(_folder.Write("b.safetensors", Raw("{}", 0)));
        Assert.Equal(0, none.Count);
    }

    [Fact]
    public void Reads_tensors_beyond_2_gb()
    {
        // A file with a hole: only its ends are on the disk.
        const long Rows = 3L << 20;
        string path = _folder.Write("big.safetensors", Raw(
            $$$"""
            {"x":{"dtype":"BF16","shape":[{{{Rows}}},512],"data_offsets":[0,{{{Rows * 1024}}}]},
            "y":{"dtype":"U8","shape":[3],"data_offsets":[{{{Rows * 1024}}},{{{(Rows * 1024) + 3}}}]}}
            """, 0));
        using (FileStream stream = File.OpenWrite(path))
        {
            stream.Position = stream.Length + (Rows * 1024) - 2;
            stream.Write([0x80, 0x3F, 7, 8, 9]);
        }
        using Safetensors file = Safetensors.Open(path);
        Assert.True(file.TryGet("x", out TensorEntry? x));
        Assert.Equal(Rows * 1024, x.ByteCount);
        Assert.Contains("Read it in slices", Assert.Throws<CheckpointException>(() => x.Bytes.Length).Message, StringComparison.Ordinal);
        Assert.Equal(0x3F80, x.View.Row((int)Rows - 1).Span<ushort>()[^1]);
        Assert.True(file.TryGet("y", out TensorEntry? y));
        Assert.Equal([7, 8, 9], y.Bytes.ToArray());
    }

    [Fact]
    public void Refuses_an_empty_file() => Refused([], "at least 8 bytes", "found 0");

    [Fact]
    public void Refuses_a_file_shorter_than_its_prefix() => Refused([1, 0, 0], "found 3");

    [Fact]
    public void Refuses_a_header_longer_than_the_file() => Refused(Raw("{}", 0, claimedLength: 500), "a header of 500 bytes", "found 2 bytes");

    [Fact]
    public void Refuses_a_header_above_the_limit() => Refused(Raw("{}", 0, claimedLength: long.MaxValue), "at most 100000000");

    [Fact]
    public void Refuses_a_negative_header_length() => Refused(Raw("{}", 0, claimedLength: -1), "at most 100000000");

    [Fact]
    public void Refuses_text_that_is_not_json() => Refused(Raw("<html>404</html>", 0), "isn't JSON");

    [Fact]
    public void Refuses_invalid_utf8()
    {
        byte[] file = Raw("""{"x?":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1);
        file[8 + 3] = 0xFF;
        Refused(file, "isn't JSON");
    }

    [Fact]
    public void Refuses_a_header_cut_short() => Refused(Raw("""{"x":{"dtype":"U8",""", 0));

    [Fact]
    public void Refuses_text_behind_the_json() => Refused(Raw("{} {}", 0), "isn't JSON");

    [Fact]
    public void Refuses_a_header_that_is_no_object() => Refused(Raw("[1]", 0), "a JSON object");

    [Fact]
    public void Refuses_a_truncated_file() =>
        Refused(Raw("""{"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}""", 12), "x:", "truncated");

    [Fact]
    public void Refuses_trailing_garbage() =>
        Refused(Raw("""{"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}""", 20), "found 4 bytes after it");

    [Fact]
    public void Refuses_overlapping_tensors() => Refused(Raw(
        """{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"y":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}""", 6), "y:", "overlap");

    [Fact]
    public void Refuses_two_tensors_in_one_place() => Refused(Raw(
        """{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"y":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 4), "overlap");

    [Fact]
    public void Refuses_holes() => Refused(Raw(
        """{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"y":{"dtype":"U8","shape":[4],"data_offsets":[6,10]}}""", 10), "y:", "belong to no tensor");

    [Fact]
    public void Refuses_offsets_in_reverse() =>
        Refused(Raw("""{"x":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}}""", 4), "x:", "[4, 0]");

    [Theory]
    [InlineData("-4")]
    [InlineData("1.5")]
    [InlineData("99999999999999999999")]
    [InlineData("\"4\"")]
    [InlineData("null")]
    [InlineData("[4]")]
    public void Refuses_dimensions_that_are_no_sizes(string dimension) =>
        Refused(Raw($$$"""{"x":{"dtype":"U8","shape":[{{{dimension}}}],"data_offsets":[0,4]}}""", 4), "x.shape");

    [Fact]
    public void Refuses_a_shape_whose_product_overflows() => Refused(Raw(
        """{"x":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""", 0), "x:", "4294967296");

    [Fact]
    public void Refuses_a_shape_that_disagrees_with_the_offsets() => Refused(Raw(
        """{"x":{"dtype":"F32","shape":[5],"data_offsets":[0,16]}}""", 16), "x:", "20 bytes for F32 (5)", "[0, 16]");

    [Fact]
    public void Refuses_unknown_formats() => Refused(Raw(
        """{"x":{"dtype":"F7_E9","shape":[4],"data_offsets":[0,4]}}""", 4), "x:", "\"F7_E9\"");

    [Fact]
    public void Refuses_a_name_that_occurs_twice() => Refused(Raw(
        """{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2), "x:", "two");

    [Theory]
    [InlineData("""{"x":{"dtype":"U8","shape":[1]}}""")]
    [InlineData("""{"x":{"shape":[1],"data_offsets":[0,1]}}""")]
    [InlineData("""{"x":{"dtype":"U8","data_offsets":[0,1]}}""")]
    [InlineData("""{"x":{"dtype":"U8","shape":[1],"data_offsets":[0]}}""")]
    [InlineData("""{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"dtype":"U8"}}""")]
    [InlineData("""{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"stride":[1]}}""")]
    public void Refuses_incomplete_repeated_and_unknown_fields(string header) => Refused(Raw(header, 1), "x:");

    [Fact]
    public void Refuses_metadata_that_is_no_string() => Refused(Raw("""{"__metadata__":{"a":1}}""", 0), "__metadata__.a");

    [Theory]
    [InlineData("F64", 8)]
    [InlineData("F16", 2)]
    [InlineData("BOOL", 1)]
    [InlineData("I8", 1)]
    public void Refuses_formats_that_it_knows_but_does_not_read_when_asked_for_them(string format, int size)
    {
        string path = _folder.Write("a.safetensors", Raw($$$"""{"x.weight":{"dtype":"{{{format}}}","shape":[1,1],"data_offsets":[0,{{{size}}}]}}""", size));
        using Safetensors file = Safetensors.Open(path);
        string message = Assert.Throws<CheckpointException>(() => file.TryGet("x.weight", out _)).Message;
        Assert.Contains(format, message, StringComparison.Ordinal);
        Assert.Contains("Convert", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Reads_bytes_with_a_scale_as_packed_fp4()
    {
        string path = _folder.Write("a.safetensors", Raw(
            """{"x.weight":{"dtype":"I8","shape":[1,16],"data_offsets":[0,16]},"x.scale":{"dtype":"F8_E8M0","shape":[1,1],"data_offsets":[16,17]}}""", 17));
        using Safetensors file = Safetensors.Open(path);
        Assert.True(file.TryGet("x.weight", out TensorEntry? x));
        Assert.Equal(DType.Fp4E2M1Pair, x.DType);
    }

    [Fact]
    public void Refuses_a_missing_file_and_a_folder()
    {
        Assert.Contains("found none", Assert.Throws<CheckpointException>(() => Safetensors.Open(_folder.Path("none"))).Message, StringComparison.Ordinal);
        Assert.Throws<CheckpointException>(() => Safetensors.Open(_folder.Root));
    }

    [Fact]
    public void Gives_its_memory_back()
    {
        string path = _folder.Write("a.safetensors", Raw("""{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1));
        Safetensors file = Safetensors.Open(path);
        file.TryGet("x", out TensorEntry? x);
        file.Dispose();
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => x!.Bytes.Length);
        Assert.Throws<ObjectDisposedException>(() => file.TryGet("x", out _));
    }
}
