using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Cpu;

// The fast mode: activations that meet FP4 weights become integers.
public sealed partial class CpuDevice
{
    private readonly Scratch _integers = new();
    private readonly Scratch _hiddenIntegers = new();

    private bool TakesIntegers(WeightMatrix? w) => NumericMode == NumericMode.Fast && w is { Format: WeightFormat.Fp4 };

    // Piece g of all rows of x (T, G · K) behind piece g − 1 of all.
    private IntegerRows Encode(in Tensor x, int pieces)
    {
        int width = x.Columns / pieces;
        var rows = new IntegerRows(_integers, x.Rows * pieces, width);
        RunRows(x, x.Columns, new EncodeJob(x, pieces, width, rows));
        return rows;
    }

    private readonly struct EncodeJob(Tensor x, int pieces, int width, IntegerRows rows) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            for (int t = first; t < first + count; t++)
            {
                ReadOnlySpan<float> row = x.Row(t).Span<float>();
                for (int g = 0; g < pieces; g++)
                {
                    rows.Encode(g * x.Rows, t, width, 0, row.Slice(g * width, width));
                }
            }
        }
    }
}
