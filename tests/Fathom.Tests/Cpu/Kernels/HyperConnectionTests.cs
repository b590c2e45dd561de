using Fathom.Cpu.Kernels;
using Xunit;

namespace Fathom.Tests.Cpu.Kernels;

public class HyperConnectionTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(20)]
    public void Four_streams_give_the_bits_of_plain_loops(int iterations)
    {
        var random = new Random(iterations);
        for (int matrix = 0; matrix < 500; matrix++)
        {
            float spread = MathF.Pow(10, random.Next(-2, 3));
            float[] c = [.. Enumerable.Range(0, 16).Select(_ => spread * ((2 * random.NextSingle()) - 1))], expected = [.. c];
            float epsilon = matrix % 3 == 0 ? 0 : 1e-6f;
            HyperConnection.Sinkhorn(c, 4, iterations, epsilon);
            Loops(expected, 4, iterations, epsilon);
            Assert.Equal(expected.Select(BitConverter.SingleToInt32Bits), c.Select(BitConverter.SingleToInt32Bits));
        }
    }

    private static void Loops(float[] c, int n, int iterations, float epsilon)
    {
        for (int j = 0; j < n; j++)
        {
            float[] row = c[(j * n)..((j + 1) * n)];
            float max = row.Max(), sum = 0;
            for (int k = 0; k < n; k++)
                sum += c[(j * n) + k] = MathF.Exp(row[k] - max);
            for (int k = 0; k < n; k++)
                c[(j * n) + k] = (c[(j * n) + k] / sum) + epsilon;
        }

        for (int half = 1; half < 2 * iterations; half++)
        {
            (int across, int along) = half % 2 == 0 ? (n, 1) : (1, n);          // columns first, then rows and columns in turn
            for (int line = 0; line < n; line++)
            {
                float sum = 0;
                for (int i = 0; i < n; i++)
                    sum += c[(line * across) + (i * along)];
                for (int i = 0; i < n; i++)
                    c[(line * across) + (i * along)] /= sum + epsilon;
            }
        }
    }
}
