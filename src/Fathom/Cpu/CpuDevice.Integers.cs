using Fathom.Cpu.Kernels;
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

    private readonly struct IntegerMatMulJob(WeightMatrix w, IntegerRows x, Tensor y, Scratch[] scratch) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            int size = y.Rows * Tile.Width, rest = Kernels.MatMul.Int8ScratchFloats(w.Columns);
            Span<float> floats = scratch[worker].Floats(size + rest);
            for (int item = first; item < first + count; item++)
            {
                (int group, int panel) = Math.DivRem(item, w.Panels);
                x.Multiply(group * y.Rows, w.Panel(group, panel), w.Columns, floats[..size], floats.Slice(size, rest));
                StorePanel(floats[..size], w, group, panel, y);
            }
        }
    }
}
