namespace Fathom.Tensors;

/// <summary>The memory of the machine, or of the container where that has a limit.</summary>
public static class MachineMemory
{
    /// <summary>Bytes that are free now or hold only pages of files.</summary>
    public static long MeasureAvailable()
    {
        GC.Collect();                                    // the runtime looks at the machine's memory when it collects
        GCMemoryInfo info = GC.GetGCMemoryInfo(GCKind.Any);
        return Math.Max(0, info.TotalAvailableMemoryBytes - info.MemoryLoadBytes);
    }
}
