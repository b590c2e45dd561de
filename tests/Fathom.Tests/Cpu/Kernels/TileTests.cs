using Fathom.Cpu.Kernels;
using Xunit;

namespace Fathom.Tests.Cpu.Kernels;

public class TileTests
{
    [Fact]
    public void A_tile_and_a_half_are_the_bits_of_two_tiles()
    {
        const int k = 37, stride = 80;
        var random = new Random(1);
        float[] w = [.. Enumerable.Range(0, k * stride).Select(_ => random.NextSingle() - 0.5f)];
        for (int rows = 1; rows < 10; rows++)
        {
            float[] x = [.. Enumerable.Range(0, rows * k).Select(_ => random.NextSingle() - 0.5f)];
            float[] first = [.. Enumerable.Range(0, rows * Tile.Width).Select(_ => random.NextSingle())], second = [.. first], tile = [.. first], half = [.. first];
            Tile.Accumulate(w, stride, k, x, k, first);
            Tile.Accumulate(w.AsSpan(Tile.Width), stride, k, x, k, second);
            Tile.AccumulateWithHalf(w, stride, k, x, k, tile, half);
            Assert.Equal(first, tile);
            for (int t = 0; t < rows; t++)
                Assert.Equal(second.AsSpan(t * Tile.Width, Tile.Width / 2), half.AsSpan(t * Tile.Width, Tile.Width / 2));
        }
    }
}
