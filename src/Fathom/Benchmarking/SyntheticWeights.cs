using System.Runtime.InteropServices;
using Fathom.Checkpoints;
using Fathom.Devices;
using Fathom.Formats;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Benchmarking;

/// <summary>How synthetic projections and experts are stored.</summary>
public enum SyntheticFormat
{
    /// <summary>As DeepSeek releases them: FP8 projections, FP4 experts.</summary>
    Official,

    /// <summary>bfloat16.</summary>
    Bf16,
}

/// <summary>
/// A checkpoint that never was a file: every weight of a config with seeded random values, packed into a device like any other. Every code
/// is valid and a matrix of K columns has a mean square near 1/K, so that activations stay about as large as they are in a model.
/// </summary>
/// <remarks>
/// Weights of one format and size of values are windows of one pool, each at a place of its own: experts differ, and making them costs
/// neither time nor memory for each. On the device every weight has its own memory, which is what a measurement of speed needs.
/// </remarks>
public sealed class SyntheticWeights : IDisposable
{
    private const ulong Seed = 20;
    private const int Slack = 1 << 20;
    private const int Grain = 64;

    // Mean squares: of 1.m with a random mantissa, ∫ (1 + m)² dm; of all codes of a format.
    private const double MantissaSquare = 7.0 / 3;
    private static readonly double s_fp8Square = Square(Fp8E4M3.Values);
    private static readonly double s_fp4Square = Square(Fp4E2M1.Values);

    private readonly SyntheticFormat _format;
    private readonly int _experts;
    private readonly Dictionary<PoolKey, long> _poolBytes = [];
    private readonly Dictionary<PoolKey, HostStorage> _pools = [];

    /// <summary>A source of the weights listed.</summary>
    /// <param name="weights">all that will be read</param> <param name="format">of projections and experts</param>
    /// <param name="experts">routed experts of a layer, for tables of ids</param>
    internal SyntheticWeights(IEnumerable<ExpectedWeight> weights, SyntheticFormat format, int experts)
    {
        _format = format;
        _experts = experts;
        foreach (ExpectedWeight weight in weights)
        {
            Grow(Key(weight), Bytes(weight));
            if (IsScaled(weight))
            {
                (int rows, int columns) = weight.ScaleShape(TypeOf(weight));
                Grow(ScaleKey(weight), (long)rows * columns);
            }
        }
    }

    /// <summary>The weights of a model on a device; the caller disposes them.</summary>
    /// <param name="device">where to</param> <param name="config">a validated config</param> <param name="format">of projections and experts</param>
    public static ModelWeights Load(Device device, ModelConfig config, SyntheticFormat format)
    {
        ArgumentNullException.ThrowIfNull(config);
        using var source = new SyntheticWeights(ExpectedWeights.Of(config), format, config.ExpertCount);
        return WeightLoader.Load(device, config, ExpectedWeights.Of(config), source.Read);
    }

    /// <summary>Packs such a model into a folder, which <see cref="PackedCheckpoint"/> opens; goes on where it was stopped.</summary>
    /// <param name="device">one whose packed matrices are in this process's memory</param> <param name="config">a validated config</param>
    /// <param name="format">of projections and experts</param> <param name="folder">made if it isn't there</param>
    /// <param name="progress">told the files done and all files, or null</param> <param name="cancellation">stops between weights</param>
    /// <exception cref="CheckpointException">the disk is full, or the folder can't be written</exception>
    public static void Pack(
        Device device, ModelConfig config, SyntheticFormat format, string folder, Action<int, int>? progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(config);
        SafetensorsWriter.Guard(folder, () => Directory.CreateDirectory(folder));
        using var source = new SyntheticWeights(ExpectedWeights.Of(config), format, config.ExpertCount);
        string fingerprint = FormattableString.Invariant($"synthetic {Seed} {format} {config} {string.Join(',', config.CompressRatios)}");
        new PackedWriter(device, config, ExpectedWeights.Of(config), source.Read).Write(folder, fingerprint, progress, cancellation);
    }

    /// <summary>Bytes of pools that are needed while the weights are made.</summary>
    public static long PoolBytes(ModelConfig config, SyntheticFormat format)
    {
        ArgumentNullException.ThrowIfNull(config);
        using var source = new SyntheticWeights(ExpectedWeights.Of(config), format, config.ExpertCount);
        return source._poolBytes.Values.Sum();
    }

    /// <summary>One weight as a checkpoint would hold it.</summary>
    public StoredWeight Read(ExpectedWeight weight)
    {
        ArgumentNullException.ThrowIfNull(weight);
        if (weight.Role == WeightRole.Ids)
        {
            return new StoredWeight(Ids(weight), default);
        }
        DType type = TypeOf(weight);
        Tensor values = Window(Key(weight), weight, type, weight.Rows, (int)weight.StoredShape(type)[^1]);
        if (!IsScaled(weight))
        {
            return new StoredWeight(values, default);
        }
        (int rows, int columns) = weight.ScaleShape(type);
        return new StoredWeight(values, Window(ScaleKey(weight), weight, DType.Ue8m0, rows, columns));
    }

    /// <summary>Frees the pools.</summary>
    public void Dispose()
    {
        foreach (HostStorage pool in _pools.Values)
        {
            pool.Dispose();
        }
        _pools.Clear();
    }

    private DType TypeOf(ExpectedWeight weight) => weight.Role == WeightRole.Ids ? DType.I32
        : weight.IsQuantizable && _format == SyntheticFormat.Bf16 ? DType.Bf16
        : weight.ReleasedType;

    private bool IsScaled(ExpectedWeight weight) => TypeOf(weight) is DType.Fp8E4M3 or DType.Fp4E2M1Pair;

    private long Bytes(ExpectedWeight weight) => weight.Rows * weight.StoredShape(TypeOf(weight))[^1] * TypeOf(weight).Size();

    private void Grow(PoolKey key, long bytes) =>
        _poolBytes[key] = Math.Max(_poolBytes.GetValueOrDefault(key), (bytes + Slack + Grain - 1) / Grain * Grain);

    private PoolKey Key(ExpectedWeight weight) => TypeOf(weight) switch
    {
        DType.Fp8E4M3 or DType.Fp4E2M1Pair or DType.I32 => new PoolKey(TypeOf(weight), 0, false),
        // A norm's weights and the scales of hyper-connections are factors near 1.
        _ when weight.Key.Part is WeightPart.HcAttentionScale or WeightPart.HcExpertsScale or WeightPart.HcHeadScale
            || (weight.IsVector && weight.Role == WeightRole.Plain) => new PoolKey(TypeOf(weight), -1, true),
        _ when weight.IsVector || weight.Key.Part is WeightPart.CompressorPositionBias or WeightPart.IndexCompressorPositionBias =>
            new PoolKey(TypeOf(weight), -4, false),
        _ when weight.Key.Part == WeightPart.Embedding => new PoolKey(TypeOf(weight), -1, false),
        _ => new PoolKey(TypeOf(weight), Exponent(weight, MantissaSquare), false),
    };

    // Scales differ by a factor of two at random: the mean of 1 and 1/4 is why 5/8 belongs into the square.
    private PoolKey ScaleKey(ExpectedWeight weight) =>
        new(DType.Ue8m0, Exponent(weight, 0.625 * (TypeOf(weight) == DType.Fp8E4M3 ? s_fp8Square : s_fp4Square)), false);

    // e with 4ᵉ · square ≈ 1/K.
    private static int Exponent(ExpectedWeight weight, double square) => (int)Math.Round(-0.5 * Math.Log2(weight.Columns * square));

    private Tensor Window(PoolKey key, ExpectedWeight weight, DType type, int rows, int columns)
    {
        HostStorage pool = Pool(key);
        long bytes = (long)rows * columns * type.Size();
        ulong name = (ulong)(((long)weight.Key.Part << 40) + ((long)(weight.Key.Layer + 1) << 20) + weight.Key.Expert + 1);
        int offset = RandomBits.Below((int)Math.Min((pool.Bytes - bytes) / Grain, int.MaxValue), Seed, name);
        return new Tensor(pool, (long)offset * Grain, type, 1, rows, columns);
    }

    private HostStorage Pool(PoolKey key)
    {
        if (!_pools.TryGetValue(key, out HostStorage? pool))
        {
            _pools[key] = pool = HostStorage.Allocate(_poolBytes[key], MemoryPurpose.Weights);
            const int Piece = 1 << 26;
            for (long done = 0; done < pool.Bytes; done += Piece)
            {
                Span<byte> piece = pool.Span(done, (int)Math.Min(Piece, pool.Bytes - done));
                RandomBits.Fill(piece, key.Seed + (ulong)done);
                MakeValid(piece, key);
            }
        }
        return pool;
    }

    private static void MakeValid(Span<byte> bytes, PoolKey key)
    {
        switch (key.Type)
        {
            case DType.Fp8E4M3:
                foreach (ref byte code in bytes)
                {
                    code = (code & 0x7F) == 0x7F ? (byte)(code ^ 1) : code;               // all ones but the sign are no number
                }
                break;
            case DType.Ue8m0:
                foreach (ref byte code in bytes)
                {
                    code = (byte)(127 + key.Exponent - (code & 1));
                }
                break;
            case DType.Bf16:
                ushort keep = (ushort)(key.IsPositive ? 0x007F : 0x807F), exponent = (ushort)((127 + key.Exponent) << 7);
                foreach (ref ushort value in MemoryMarshal.Cast<byte, ushort>(bytes))
                {
                    value = (ushort)((value & keep) | exponent);
                }
                break;
            case DType.F32:
                uint keepBits = key.IsPositive ? 0x007FFFFFu : 0x807FFFFFu, exponentBits = (uint)(127 + key.Exponent) << 23;
                foreach (ref uint value in MemoryMarshal.Cast<byte, uint>(bytes))
                {
                    value = (value & keepBits) | exponentBits;
                }
                break;
            default:
                break;                                                                    // every pair of FP4 codes is valid
        }
    }

    // Different experts for each token.
    private Tensor Ids(ExpectedWeight weight)
    {
        if (_pools.TryGetValue(Key(weight), out HostStorage? pool))
        {
            return new Tensor(pool, 0, DType.I32, 1, weight.Rows, weight.Columns);        // hash layers share one table
        }
        _pools[Key(weight)] = pool = HostStorage.Allocate(weight.Count * sizeof(int), MemoryPurpose.Weights);
        var ids = new Tensor(pool, 0, DType.I32, 1, weight.Rows, weight.Columns);
        for (int token = 0; token < weight.Rows; token++)
        {
            Span<int> row = ids.Row(token).Span<int>();
            ulong place = (ulong)token << 32;
            for (int i = 0; i < row.Length;)
            {
                int expert = RandomBits.Below(_experts, Seed + 1, place++);
                if (!row[..i].Contains(expert))
                {
                    row[i++] = expert;
                }
            }
        }
        return ids;
    }

    private static double Square(ReadOnlySpan<float> values)
    {
        double sum = 0;
        int count = 0;
        foreach (float value in values)
        {
            if (float.IsFinite(value))
            {
                sum += (double)value * value;
                count++;
            }
        }
        return sum / count;
    }

    /// <summary>What the values of a pool are.</summary>
    /// <param name="Type">element format</param>
    /// <param name="Exponent">of every value; 0 where codes are random as they are</param>
    /// <param name="IsPositive">whether there is no sign</param>
    private readonly record struct PoolKey(DType Type, int Exponent, bool IsPositive)
    {
        public ulong Seed => SyntheticWeights.Seed + ((ulong)Type << 56) + ((ulong)(Exponent + 256) << 40) + (IsPositive ? 1UL << 39 : 0);
    }
}
