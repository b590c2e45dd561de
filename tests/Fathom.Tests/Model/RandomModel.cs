using System.Runtime.InteropServices;
using Fathom.Checkpoints;
using Fathom.Devices;
using Fathom.Formats;
using Fathom.Model;
using Fathom.Tensors;
using Fathom.Tests.Reference;

namespace Fathom.Tests.Model;

/// <summary>In which element formats a random checkpoint is written.</summary>
public enum StoredAs
{
    /// <summary>Everything but ids in single precision.</summary>
    F32,

    /// <summary>As DeepSeek releases it, but projections in bfloat16.</summary>
    Bf16,

    /// <summary>As DeepSeek releases it: FP8 projections, FP4 experts. A width that FP4's blocks do not divide is stored as FP8.</summary>
    Released,
}

/// <summary>A checkpoint of seeded weights, written by the product's writer into a folder of its own, which disposing this removes.</summary>
internal sealed class RandomModel : IDisposable
{
    private const int Seed = 20;

    private RandomModel(ModelConfig config, string folder)
    {
        Config = config;
        Folder = folder;
    }

    public ModelConfig Config { get; }

    public string Folder { get; }

    /// <summary>The stored values as the tests' own reader sees them.</summary>
    public ReferenceTensors Reference => ReferenceTensors.Load(Folder);

    public static RandomModel Write(ModelConfig config, StoredAs stored, long shardBytesMax = long.MaxValue)
    {
        Dictionary<string, WeightArray> values = ReferenceWeights.Random(config.Validate(), Seed);
        var tensors = new List<(TensorToWrite Tensor, byte[] Bytes)>();
        foreach (ExpectedWeight weight in ExpectedWeights.Of(config))
        {
            tensors.AddRange(Encode(weight, values[weight.Name], TypeOf(weight, stored)));
        }

        var model = new RandomModel(config, Directory.CreateTempSubdirectory("fathom-tiny-").FullName);
        using CheckpointWriter writer = CheckpointWriter.Create(model.Folder, [.. tensors.Select(item => item.Tensor)], shardBytesMax);
        foreach ((TensorToWrite tensor, byte[] bytes) in tensors) writer.Write(tensor.Name, bytes);
        writer.Complete();
        return model;
    }

    /// <summary>The weights on a device; the caller disposes them.</summary>
    public ModelWeights Load(Device device)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Folder);
        CheckpointReader reader = CheckpointReader.Open(checkpoint, Config);
        if (reader.UnknownNames.Count > 0) throw new InvalidDataException($"The reader does not know {reader.UnknownNames[0]}.");
        return WeightLoader.Load(device, Config, reader);
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private static DType TypeOf(ExpectedWeight weight, StoredAs stored) => weight.Role switch
    {
        WeightRole.Ids => DType.I64,
        WeightRole.Exact => DType.F32,
        _ when stored == StoredAs.F32 => DType.F32,
        _ when stored == StoredAs.Bf16 => DType.Bf16,
        WeightRole.Expert when weight.Columns % ExpectedWeight.Fp4Block != 0 => DType.Fp8E4M3,
        _ => weight.ReleasedType,
    };

    private static IEnumerable<(TensorToWrite Tensor, byte[] Bytes)> Encode(ExpectedWeight weight, WeightArray array, DType type)
    {
        byte[] scales = [];
        byte[] bytes = type switch
        {
            DType.F32 => MemoryMarshal.AsBytes<float>(array.Values).ToArray(),
            DType.Bf16 => MemoryMarshal.AsBytes<ushort>(Array.ConvertAll(array.Values, Bf16.FromSingle)).ToArray(),
            DType.I64 => MemoryMarshal.AsBytes<long>(Array.ConvertAll(array.Values, value => (long)value)).ToArray(),
            DType.Fp8E4M3 => Fp8(weight, array.Values, out scales),
            _ => Fp4(weight, array.Values, out scales),
        };
        yield return (new TensorToWrite(weight.Name, type, weight.StoredShape(type)), bytes);
        if (scales.Length == 0) yield break;
        (int rows, int columns) = weight.ScaleShape(type);
        yield return (new TensorToWrite(weight.ScaleName, DType.Ue8m0, [rows, columns]), scales);
    }

    private static byte[] Fp8(ExpectedWeight weight, float[] values, out byte[] scales)
    {
        const int side = ExpectedWeight.Fp8Block;
        (int rows, int columns) = weight.ScaleShape(DType.Fp8E4M3);
        scales = new byte[rows * columns];
        byte[] codes = new byte[values.Length];
        for (int block = 0; block < scales.Length; block++)
        {
            int firstRow = block / columns * side, firstColumn = block % columns * side;
            int height = Math.Min(side, weight.Rows - firstRow), width = Math.Min(side, weight.Columns - firstColumn);
            float[] inside = new float[height * width];
            byte[] blockCodes = new byte[inside.Length];
            for (int i = 0; i < inside.Length; i++) inside[i] = values[Place(i)];
            scales[block] = Fp8E4M3.QuantizeBlock(inside, blockCodes);
            for (int i = 0; i < inside.Length; i++) codes[Place(i)] = blockCodes[i];

            int Place(int i) => (firstRow + i / width) * weight.Columns + firstColumn + i % width;
        }

        return codes;
    }

    private static byte[] Fp4(ExpectedWeight weight, float[] values, out byte[] scales)
    {
        const int width = ExpectedWeight.Fp4Block;
        scales = new byte[weight.Rows * (weight.Columns / width)];
        byte[] codes = new byte[values.Length], pairs = new byte[values.Length / 2];
        for (int block = 0; block < scales.Length; block++)
        {
            scales[block] = Fp4E2M1.QuantizeBlock(values.AsSpan(block * width, width), codes.AsSpan(block * width, width));
        }

        Fp4E2M1.Pack(codes, pairs);
        return pairs;
    }
}
