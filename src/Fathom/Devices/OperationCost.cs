namespace Fathom.Devices;

/// <summary>The operations of <see cref="Device"/> that a profile tells apart.</summary>
public enum DeviceOperation
{
    /// <summary><see cref="Device.Upload"/>.</summary>
    Upload,

    /// <summary><see cref="Device.Copy"/>.</summary>
    Copy,

    /// <summary><see cref="Device.Embed"/>.</summary>
    Embed,

    /// <summary><see cref="Device.MatMul"/>.</summary>
    MatMul,

    /// <summary><see cref="Device.GroupedMatMul"/>.</summary>
    GroupedMatMul,

    /// <summary><see cref="Device.RmsNorm"/>.</summary>
    RmsNorm,

    /// <summary><see cref="Device.Add"/>.</summary>
    Add,

    /// <summary><see cref="Device.Gather"/>.</summary>
    Gather,

    /// <summary><see cref="Device.RopeAngles"/>.</summary>
    RopeAngles,

    /// <summary><see cref="Device.Rope"/>.</summary>
    Rope,

    /// <summary><see cref="Device.RoundToBf16"/>.</summary>
    RoundToBf16,

    /// <summary><see cref="Device.Hadamard"/>.</summary>
    Hadamard,

    /// <summary><see cref="Device.RoundRows"/>.</summary>
    RoundRows,

    /// <summary><see cref="Device.HcExpand"/>.</summary>
    HcExpand,

    /// <summary><see cref="Device.HcPre"/>.</summary>
    HcPre,

    /// <summary><see cref="Device.HcPost"/>.</summary>
    HcPost,

    /// <summary><see cref="Device.HcHead"/>.</summary>
    HcHead,

    /// <summary><see cref="Device.Compress"/>.</summary>
    Compress,

    /// <summary><see cref="Device.StoreRows"/>.</summary>
    StoreRows,

    /// <summary><see cref="Device.StoreRing"/>.</summary>
    StoreRing,

    /// <summary><see cref="Device.LoadWindow"/>.</summary>
    LoadWindow,

    /// <summary><see cref="Device.SelectRows"/>.</summary>
    SelectRows,

    /// <summary><see cref="Device.SparseAttention"/>.</summary>
    SparseAttention,

    /// <summary><see cref="Device.RouteByScore"/>.</summary>
    RouteByScore,

    /// <summary><see cref="Device.RouteByHash"/>.</summary>
    RouteByHash,

    /// <summary><see cref="Device.Experts"/>.</summary>
    Experts,
}

/// <summary>What calls of an operation took and moved.</summary>
/// <param name="Calls">number of calls</param>
/// <param name="Ticks">time in them, in units of <see cref="System.Diagnostics.Stopwatch"/></param>
/// <param name="WeightBytes">bytes of packed matrices that rows are multiplied with, each once for each call; of experts those that were chosen</param>
/// <param name="CacheBytes">bytes of cache read: window rows, index keys and compressed rows, each once for each call</param>
/// <param name="OtherBytes">bytes of activations, vectors of weights, compressors' open windows and stored rows, each operand once for each call</param>
/// <param name="Flops">operations of products with weights, of index scores and of attention; none in operations that have none of these</param>
public readonly record struct OperationCost(long Calls, long Ticks, long WeightBytes, long CacheBytes, long OtherBytes, FlopCount Flops)
{
    /// <summary>Seconds in the calls.</summary>
    public double Seconds => (double)Ticks / System.Diagnostics.Stopwatch.Frequency;

    /// <summary>All bytes.</summary>
    public long Bytes => WeightBytes + CacheBytes + OtherBytes;

    /// <summary>Both together.</summary>
    public static OperationCost operator +(in OperationCost a, in OperationCost b) => a.Plus(b);

    /// <summary>This and another together.</summary>
    public OperationCost Plus(in OperationCost other) => new(
        Calls + other.Calls, Ticks + other.Ticks, WeightBytes + other.WeightBytes, CacheBytes + other.CacheBytes, OtherBytes + other.OtherBytes,
        Flops + other.Flops);
}
