using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Fathom.Benchmarking;

/// <summary>What a disk gives at most: files read from end to end in large pieces by several threads, after the system forgot them.</summary>
public static partial class DiskRate
{
    private const int PieceBytes = 8 << 20;
    private const long BytesMost = 2L << 30;

    // From Linux's header of file advice.
    private const int AdviceDontNeed = 4;

    /// <summary>10⁹ bytes per second, or null where the system can't be asked to forget a file.</summary>
    /// <param name="folder">with large files</param> <param name="threads">that read</param>
    public static double? Measure(string folder, int threads)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }
        long bytes = 0, begin = 0;
        foreach (string path in Directory.EnumerateFiles(folder, "*.safetensors").OrderByDescending(path => new FileInfo(path).Length))
        {
            using var file = File.OpenHandle(path);
            long length = Math.Min(RandomAccess.GetLength(file), BytesMost - bytes);
            _ = Advise((int)file.DangerousGetHandle(), 0, 0, AdviceDontNeed);
            begin = begin == 0 ? Stopwatch.GetTimestamp() : begin;
            Parallel.For(0, (length + PieceBytes - 1) / PieceBytes, new ParallelOptions { MaxDegreeOfParallelism = threads }, () => new byte[PieceBytes], (piece, _, buffer) =>
            {
                RandomAccess.Read(file, buffer, piece * PieceBytes);
                return buffer;
            }, _ => { });
            bytes += length;
            if (bytes >= BytesMost)
            {
                break;
            }
        }
        return bytes == 0 ? null : bytes / Stopwatch.GetElapsedTime(begin).TotalSeconds / 1e9;
    }

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int Advise(int file, long offset, long length, int advice);
}
