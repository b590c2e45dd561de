using System.Buffers.Binary;
using System.Text.Json;

namespace Fathom.Tests.Reference;

/// <summary>
/// A safetensors file read in the plainest way, for tests only and on purpose without the product's reader: a shared mistake would hide itself.
/// </summary>
internal sealed class GoldenFile
{
    private readonly Dictionary<string, Entry> _entries = [];
    private readonly byte[] _data;

    private GoldenFile(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        int headerBytes = checked((int)BinaryPrimitives.ReadUInt64LittleEndian(file));
        _data = file[(8 + headerBytes)..];
        using JsonDocument header = JsonDocument.Parse(file.AsMemory(8, headerBytes));
        foreach (JsonProperty item in header.RootElement.EnumerateObject())
        {
            if (item.Name == "__metadata__") continue;
            JsonElement offsets = item.Value.GetProperty("data_offsets");
            _entries[item.Name] = new Entry(
                item.Value.GetProperty("dtype").GetString() ?? throw new InvalidDataException($"{item.Name} has no dtype."),
                [.. item.Value.GetProperty("shape").EnumerateArray().Select(size => size.GetInt32())],
                offsets[0].GetInt32(),
                offsets[1].GetInt32());
        }
    }

    public IEnumerable<string> Names => _entries.Keys;

    public static GoldenFile Open(string path) => new(path);

    public bool Contains(string name) => _entries.ContainsKey(name);

    public int[] Shape(string name) => Find(name).Shape;

    public string DType(string name) => Find(name).DType;

    public byte[] Bytes(string name) => _data[Find(name).Begin..Find(name).End];

    /// <summary>The stored values, without any scale: FP8 codes become numbers, packed FP4 stays bytes.</summary>
    public double[] Doubles(string name)
    {
        byte[] bytes = Bytes(name);
        return Find(name).DType switch
        {
            "F32" => Each(bytes, 4, b => BinaryPrimitives.ReadSingleLittleEndian(b)),
            "F64" => Each(bytes, 8, b => BinaryPrimitives.ReadDoubleLittleEndian(b)),
            "BF16" => Each(bytes, 2, b => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadUInt16LittleEndian(b) << 16)),
            "I32" => Each(bytes, 4, b => BinaryPrimitives.ReadInt32LittleEndian(b)),
            "I64" => Each(bytes, 8, b => BinaryPrimitives.ReadInt64LittleEndian(b)),
            "U8" or "I8" => Each(bytes, 1, b => b[0]),
            "F8_E4M3" => Each(bytes, 1, b => ReferenceRounding.Fp8Value(b[0])),
            "F8_E8M0" => Each(bytes, 1, b => ReferenceRounding.ScaleValue(b[0])),
            string other => throw new InvalidDataException($"{name}: the tests do not read {other}."),
        };
    }

    public int[] Ints(string name) => Array.ConvertAll(Doubles(name), value => checked((int)value));

    /// <summary>The stored values as rows of the last dimension.</summary>
    public double[][] Rows(string name)
    {
        int width = Shape(name)[^1];
        return [.. Doubles(name).Chunk(width)];
    }

    /// <summary>
    /// A weight as numbers. With a scale beside it, FP8 has one scale per 128×128 block and packed FP4 one per 1×32; last blocks may be short.
    /// </summary>
    public ReferenceTensor Weight(string name)
    {
        const string suffix = ".weight";
        string scaleName = name.EndsWith(suffix, StringComparison.Ordinal) ? name[..^suffix.Length] + ".scale" : "";
        if (!Contains(scaleName)) return new ReferenceTensor(Shape(name), Doubles(name));

        bool packed = DType(name) == "I8";
        double[] codes = packed ? Unpack(Bytes(name)) : Doubles(name);
        int rows = Shape(name)[0];
        int columns = packed ? Shape(name)[1] * 2 : Shape(name)[1];
        (int blockRows, int blockColumns) = packed ? (1, 32) : (128, 128);
        double[] scale = Doubles(scaleName);
        int scaleColumns = Shape(scaleName)[1];
        double[] values = new double[rows * columns];
        for (int o = 0; o < rows; o++)
        {
            for (int i = 0; i < columns; i++)
            {
                values[o * columns + i] = codes[o * columns + i] * scale[o / blockRows * scaleColumns + i / blockColumns];
            }
        }

        return new ReferenceTensor([rows, columns], values);
    }

    private static double[] Unpack(byte[] pairs)
    {
        double[] values = new double[pairs.Length * 2];
        for (int j = 0; j < pairs.Length; j++)
        {
            values[2 * j] = ReferenceRounding.Fp4Value(pairs[j] & 15);
            values[2 * j + 1] = ReferenceRounding.Fp4Value(pairs[j] >> 4);
        }

        return values;
    }

    private static double[] Each(byte[] bytes, int size, ReadValue read)
    {
        double[] values = new double[bytes.Length / size];
        for (int i = 0; i < values.Length; i++) values[i] = read(bytes.AsSpan(i * size, size));
        return values;
    }

    private Entry Find(string name) =>
        _entries.TryGetValue(name, out Entry? entry) ? entry : throw new KeyNotFoundException($"The golden file has no tensor {name}.");

    private delegate double ReadValue(ReadOnlySpan<byte> bytes);

    private sealed record Entry(string DType, int[] Shape, int Begin, int End);
}
