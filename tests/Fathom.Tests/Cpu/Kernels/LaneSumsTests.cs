using System.Runtime.Intrinsics;
using Fathom.Cpu.Kernels;
using Xunit;

namespace Fathom.Tests.Cpu.Kernels;

public class LaneSumsTests
{
    [Fact]
    public void Sums_of_several_vectors_are_the_bits_of_sums_of_each()
    {
        var random = new Random(1);
        for (int round = 0; round < 200; round++)
        {
            Vector512<float>[] v = [.. Enumerable.Range(0, 4).Select(_ => Vector512.Create([.. Enumerable.Range(0, 16).Select(_ => random.NextSingle() - 0.5f)]))];
            Vector128<float> sums = LaneSums.Of(v[0], v[1], v[2], v[3]);
            for (int i = 0; i < 4; i++)
                Assert.Equal(Vector512.Sum(v[i]), sums[i]);
        }
    }
}
