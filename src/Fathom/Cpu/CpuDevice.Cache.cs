using Fathom.Cpu.Kernels;
using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Cpu;

public sealed partial class CpuDevice
{
    /// <inheritdoc/>
    public override void RoundRows(in Tensor x, RowFormat format)
    {
        if (format.Kind != RowKind.F32)
        {
            RunRows(x, x.Columns * 16L, new RoundJob(x, format));
        }
    }

    /// <inheritdoc/>
    public override void Compress(in CompressOperand operand, in Tensor entries)
    {
        int slots = operand.ValueRing.Rows;
        _pool.Run(entries.Rows, _pool.Chunk(entries.Rows, 8L * slots * entries.Columns), new CompressJob(operand, entries, _scratch));
    }

    /// <inheritdoc/>
    public override void StoreRows(in Tensor rows, int first, in RowBlocks target)
    {
        int bytes = target.Format.Bytes;
        for (int done = 0; done < rows.Rows;)
        {
            Span<byte> run = target.Run(first + done, rows.Rows - done, out int inBlock);
            for (int i = 0; i < inBlock; i++, done++)
            {
                CacheRow.Encode(rows.Row(done).Span<float>(), target.Format, run.Slice(i * bytes, bytes));
            }
        }
    }

    /// <inheritdoc/>
    public override void StoreRing(in Tensor rows, int firstPosition, RowFormat format, in Tensor ring)
    {
        for (int t = Math.Max(0, rows.Rows - ring.Rows); t < rows.Rows; t++)
        {
            CacheRow.Encode(rows.Row(t).Span<float>(), format, ring.Row((firstPosition + t) % ring.Rows).Span<byte>());
        }
    }

    /// <inheritdoc/>
    public override void LoadWindow(in Tensor ring, RowFormat format, int firstPosition, in Tensor rows, in Tensor window)
    {
        int before = window.Rows - rows.Rows;
        for (int position = Math.Max(0, firstPosition - before); position < firstPosition; position++)
        {
            Span<float> target = window.Row(before - firstPosition + position).Span<float>();
            CacheRow.Decode(ring.Row(position % ring.Rows).Span<byte>(), format, target);
        }
        rows.Span<float>().CopyTo(window.Slice(before, rows.Rows).Span<float>());
    }

    private readonly struct RoundJob(Tensor x, RowFormat format) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            Span<byte> bytes = stackalloc byte[format.Bytes];
            for (int t = first; t < first + count; t++)
            {
                Span<float> row = x.Row(t).Span<float>();
                CacheRow.Encode(row, format, bytes);
                CacheRow.Decode(bytes, format, row);
            }
        }
    }

    private readonly struct CompressJob(CompressOperand operand, Tensor entries, Scratch[] scratch) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            int d = entries.Columns, slots = operand.ValueRing.Rows;
            Span<float> floats = scratch[worker].Floats(2 * slots * d);
            Span<float> values = floats[..(slots * d)], gates = floats.Slice(slots * d, slots * d);
            for (int e = first; e < first + count; e++)
            {
                // The first entry of an overlapping compressor has no window before it: those slots are left out.
                int begin = (operand.FirstEntry + e + 1 - operand.Windows) * operand.Ratio;
                int skip = Math.Max(0, -begin);
                for (int s = skip; s < slots; s++)
                {
                    Gather(begin + s, s / operand.Ratio * d, values.Slice((s - skip) * d, d), gates.Slice((s - skip) * d, d));
                }
                int used = (slots - skip) * d;
                Kernels.Compress.Run(values[..used], gates[..used], entries.Row(e).Span<float>());
            }
        }

        // One token's a and b + bias on the channels of its window.
        private void Gather(int position, int channel, Span<float> values, Span<float> gates)
        {
            bool recent = position >= operand.FirstPosition;
            Tensor a = recent ? operand.Values.Row(position - operand.FirstPosition) : operand.ValueRing.Row(position % operand.ValueRing.Rows);
            Tensor b = recent ? operand.Gates.Row(position - operand.FirstPosition) : operand.GateRing.Row(position % operand.GateRing.Rows);
            a.Span<float>().Slice(channel, values.Length).CopyTo(values);
            b.Span<float>().Slice(channel, values.Length).CopyTo(gates);
            Rows.Add(operand.PositionBias.Row(position % operand.Ratio).Span<float>().Slice(channel, values.Length), gates);
        }
    }
}
