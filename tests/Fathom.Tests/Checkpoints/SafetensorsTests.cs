using Fathom.Checkpoints;
using Xunit;

namespace Fathom.Tests.Checkpoints;

public class SafetensorsTests
{
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
    public void Shards_hold_the_same_tensors_as_the_single_file()
    {
        using Checkpoint single = Checkpoint.Open(TestFiles.Path("tests", "goldens", "d_flash"));
        using Checkpoint sharded = Checkpoint.Open(TestFiles.Path("tests", "goldens", "d_flash", "sharded"));
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
}
