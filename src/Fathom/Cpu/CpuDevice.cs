using System.Diagnostics;
using System.Runtime.InteropServices;
using Fathom.Cpu.Kernels;
using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Cpu;

/// <summary>
/// The processor: every operation takes spans, splits its rows over the worker pool and calls a kernel. Calls return when the work is
/// done. One thread at a time may use a device.
/// </summary>
public sealed partial class CpuDevice : Device
{
    private readonly WorkerPool _pool;
    private readonly Scratch[] _scratch;

    /// <summary>A device of <paramref name="threads"/> threads, the caller's included.</summary>
    /// <param name="threads">1 or more</param>
    /// <param name="numericMode">how it multiplies; <see cref="NumericMode.Fast"/> gains time on processors with AVX2 or AVX-512 only</param>
    public CpuDevice(int threads, NumericMode numericMode = NumericMode.Exact)
    {
        NumericMode = numericMode;
        _pool = new WorkerPool(threads);
        _scratch = new Scratch[threads];
        for (int i = 0; i < threads; i++)
        {
            _scratch[i] = new Scratch();
        }
    }

    /// <inheritdoc/>
    public override NumericMode NumericMode { get; }

    /// <summary>Threads that share the work.</summary>
    public int Threads => _pool.Threads;

    /// <inheritdoc/>
    public override Storage Allocate(long bytes, MemoryPurpose purpose) => HostStorage.Allocate(bytes, purpose);

    /// <inheritdoc/>
    public override WeightMatrix Pack(ReadOnlySpan<RawMatrix> stack)
    {
        RawMatrix first = stack[0];
        WeightFormat format = WeightFormats.Of(first.Values.Type);
        Storage storage = Allocate(WeightMatrix.BytesOfStack(format, stack.Length, first.Rows, first.Columns), MemoryPurpose.Weights);
        var matrix = new WeightMatrix(storage, format, stack.Length, first.Rows, first.Columns);
        for (int i = 0; i < stack.Length; i++)
        {
            Debug.Assert(stack[i].Rows == first.Rows && stack[i].Columns == first.Columns && stack[i].Values.Type == first.Values.Type);
            _pool.Run(matrix.Panels, 1, new PackJob(stack[i], matrix, i));
        }
        return matrix;
    }

    /// <inheritdoc/>
    public override WeightMatrix Place(WeightMatrix packed) => packed;

    /// <inheritdoc/>
    public override void Upload(ReadOnlySpan<byte> source, in Tensor target) => source.CopyTo(Bytes(target));

    /// <inheritdoc/>
    public override void Download(in Tensor source, Span<byte> target) => Bytes(source).CopyTo(target);

    /// <inheritdoc/>
    public override void Copy(in Tensor source, in Tensor target) => Bytes(source).CopyTo(Bytes(target));

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _pool.Dispose();
        foreach (Scratch scratch in _scratch)
        {
            scratch.Dispose();
        }
        _pairs.Dispose();
        _blocks.Dispose();
        _integers.Dispose();
        _hiddenIntegers.Dispose();
        _candidates.Dispose();
        _guesses.Dispose();
        _loneScores.Dispose();
        _products.Dispose();
    }

    private static Span<byte> Bytes(in Tensor x) => x.Count == 0 ? default : ((HostStorage)x.Storage!).Span(x.Offset, checked((int)(x.Count * x.Type.Size())));

    private readonly struct PackJob(RawMatrix raw, WeightMatrix matrix, int index) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            for (int panel = first; panel < first + count; panel++)
            {
                int row = panel * PanelLayout.Rows;
                int rows = Math.Min(PanelLayout.Rows, raw.Rows - row);
                Tensor values = raw.Values.Slice(raw.FirstRow + row, rows);
                Span<byte> target = matrix.Panel(index, panel);
                switch (matrix.Format)
                {
                    case WeightFormat.F32:
                        PackPanel.F32(MemoryMarshal.Cast<byte, float>(Bytes(values)), rows, target);
                        break;
                    case WeightFormat.Bf16:
                        PackPanel.Bf16(MemoryMarshal.Cast<byte, ushort>(Bytes(values)), rows, target);
                        break;
                    case WeightFormat.Fp8:
                        PackPanel.Fp8(Bytes(values), rows, Bytes(raw.Scales), raw.FirstRow + row, target);
                        break;
                    default:
                        PackPanel.Fp4(Bytes(values), rows, Bytes(raw.Scales.Slice(raw.FirstRow + row, rows)), target);
                        break;
                }
            }
        }
    }
}
