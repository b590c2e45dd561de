using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;
using Xunit;
using static Fathom.Train.Tests.Autograd.Loops;

namespace Fathom.Train.Tests.Autograd;

public class CompressTests
{
    // Whole windows, a remainder, a sample shorter than a window, and many windows.
    private static readonly Sample[] s_samples = [new(0, 8), new(8, 13), new(21, 3), new(24, 100)];

    [Theory]
    [InlineData(4, 2, 20)]
    [InlineData(8, 1, 33)]
    [InlineData(128, 1, 16)]
    public void Entries_pool_their_windows_channel_by_channel(int ratio, int halves, int c)
    {
        Sample[] samples = [.. s_samples, new(124, 140)];
        var entries = new Entries(samples, ratio);
        new GradientCheck(ratio).Input("values", 264, halves * c).Input("gates", 264, halves * c, 2).Input("bias", ratio, halves * c).Run(
            (tape, v) => Compress.Apply(tape, v[0], v[1], v[2], entries, c),
            v => Flat(samples.SelectMany(sample => Enumerable.Range(0, sample.Count / ratio).Select(w => Entry(v, sample.FirstRow, w, (ratio, halves, c))))));
    }

    private static double[] Entry(double[][] v, int firstRow, int window, (int Ratio, int Halves, int C) shape)
    {
        (int ratio, int halves, int c) = shape;
        var entry = new double[c];
        for (int u = 0; u < c; u++)
        {
            double sum = 0;
            for (int half = halves == 2 && window == 0 ? 1 : 0; half < halves; half++)
            {
                for (int s = 0; s < ratio; s++)
                {
                    int channel = (half * c) + u, row = firstRow + ((window - (halves - 1 - half)) * ratio) + s;
                    double weight = Math.Exp(v[1][(row * halves * c) + channel] + v[2][(s * halves * c) + channel]);
                    sum += weight;
                    entry[u] += weight * v[0][(row * halves * c) + channel];
                }
            }
            entry[u] /= sum;
        }
        return entry;
    }
}
