using System.Runtime.InteropServices;
using Fathom.Devices;
using Fathom.Tensors;
using Fathom.Tests.Reference;

namespace Fathom.Tests.Devices;

/// <summary>Tensors of a device made from and read back as rows of numbers; disposing this frees them all.</summary>
internal sealed class DeviceMemory(Device device) : IDisposable
{
    private readonly List<Storage> _owned = [];

    public Tensor Empty(int rows, int columns, DType type = DType.F32)
    {
        Storage storage = device.Allocate((long)rows * columns * type.Size(), MemoryPurpose.Activations);
        _owned.Add(storage);
        return new Tensor(storage, 0, type, 1, rows, columns);
    }

    public Tensor Rows(double[][] rows) => Upload<float>(rows.Length, rows[0].Length, DType.F32, [.. rows.SelectMany(row => row).Select(value => (float)value)]);

    public Tensor Row(double[] row) => Rows([row]);

    public Tensor Ints(int rows, params int[] values) => Upload(rows, values.Length / rows, DType.I32, values);

    public Tensor Upload<T>(int rows, int columns, DType type, T[] values) where T : unmanaged
    {
        Tensor tensor = Empty(rows, columns, type);
        device.Upload(MemoryMarshal.AsBytes<T>(values), tensor);
        return tensor;
    }

    public WeightMatrix Matrix(params ReferenceTensor[] stack) =>
        Pack([.. stack.Select(w => new RawMatrix(Rows([.. w.Values.Chunk(w.Columns)]), default))]);

    public WeightMatrix Pack(params RawMatrix[] stack)
    {
        WeightMatrix matrix = device.Pack(stack);
        _owned.Add(matrix.Storage);
        return matrix;
    }

    /// <summary>Empty blocks for at least <paramref name="rows"/> rows.</summary>
    public RowBlocks Blocks(RowFormat format, int rows, int rowsPerBlock, int offset = 0)
    {
        var blocks = new List<Storage>();
        for (int first = 0; first < Math.Max(rows, 1); first += rowsPerBlock)
        {
            blocks.Add(device.Allocate(offset + rowsPerBlock * format.Bytes, MemoryPurpose.Cache));
        }

        _owned.AddRange(blocks);
        return new RowBlocks(blocks, offset, rowsPerBlock, format);
    }

    public double[][] Read(in Tensor x)
    {
        float[] values = new float[x.Count];
        device.Download(x, MemoryMarshal.AsBytes(values.AsSpan()));
        return [.. Array.ConvertAll(values, value => (double)value).Chunk(x.Columns)];
    }

    public int[][] ReadInts(in Tensor x)
    {
        int[] values = new int[x.Count];
        device.Download(x, MemoryMarshal.AsBytes(values.AsSpan()));
        return [.. values.Chunk(x.Columns)];
    }

    public void Dispose() => _owned.ForEach(storage => storage.Dispose());
}
