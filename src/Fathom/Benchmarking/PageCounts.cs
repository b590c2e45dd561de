using System.Globalization;

namespace Fathom.Benchmarking;

/// <summary>What this process has read from disks so far, by Linux's own counts.</summary>
/// <param name="MajorFaults">times that a thread waited for a page</param> <param name="BytesRead">from disks, pages read ahead included</param>
internal readonly record struct PageCounts(long MajorFaults, long BytesRead)
{
    // Of /proc/self/stat behind the name, which may hold blanks: majflt is the tenth.
    private const int MajorFaultsField = 9;

    /// <summary>The counts now, or null where the system does not tell.</summary>
    public static PageCounts? Read()
    {
        const string Stat = "/proc/self/stat", Io = "/proc/self/io", Label = "read_bytes: ";
        try
        {
            string stat = File.ReadAllText(Stat);
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            string? bytes = File.ReadLines(Io).FirstOrDefault(line => line.StartsWith(Label, StringComparison.Ordinal));
            return bytes is null ? null : new PageCounts(
                long.Parse(fields[MajorFaultsField], CultureInfo.InvariantCulture), long.Parse(bytes.AsSpan(Label.Length), NumberStyles.None, CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
