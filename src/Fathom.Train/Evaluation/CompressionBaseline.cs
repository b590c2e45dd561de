using System.ComponentModel;
using System.Diagnostics;
using System.IO.Compression;

namespace Fathom.Train.Evaluation;

/// <summary>
/// What a general compressor adds for a text when it has just seen the training text: bytes of both together minus bytes of the first. The
/// program <c>xz</c> where there is one, which reaches back over everything; else the runtime's Brotli, which reaches back 16 MB. The name
/// says which.
/// </summary>
public sealed class CompressionBaseline
{
    private const string Xz = "xz";
    private const int BrotliBest = 11;
    private const int BrotliWindowBits = 24;

    private readonly byte[] _training;
    private readonly long _trainingSize;
    private readonly bool _hasXz;

    /// <summary>Compresses the training text.</summary>
    public CompressionBaseline(byte[] training)
    {
        _training = training;
        _hasXz = TryXz(training, [], out _trainingSize);
        if (!_hasXz)
            _trainingSize = Brotli(training, []);
    }

    /// <summary>The compressor.</summary>
    public string Name => _hasXz ? "xz -9e" : "brotli -q 11 -w 24";

    /// <summary>Bits that a text adds.</summary>
    public double Bits(byte[] text)
    {
        long both = _hasXz && TryXz(_training, text, out long size) ? size : Brotli(_training, text);
        return 8.0 * (both - _trainingSize);
    }

    private static long Brotli(byte[] first, byte[] second)
    {
        byte[] all = [.. first, .. second];
        var packed = new byte[BrotliEncoder.GetMaxCompressedLength(all.Length)];
        return BrotliEncoder.TryCompress(all, packed, out int written, BrotliBest, BrotliWindowBits) ? written
            : throw new InvalidDataException($"Brotli: expected to compress {all.Length} bytes, found no room in {packed.Length}.");
    }

    private static bool TryXz(byte[] first, byte[] second, out long size)
    {
        size = 0;
        var start = new ProcessStartInfo(Xz, ["-9e", "-c"]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        try
        {
            using Process? process = Process.Start(start);
            if (process is null)
                return false;
            Task<long> counting = CountAsync(process.StandardOutput.BaseStream);
            using (Stream input = process.StandardInput.BaseStream)
            {
                input.Write(first);
                input.Write(second);
            }

            size = counting.GetAwaiter().GetResult();
            process.WaitForExit();
            return process.ExitCode == 0 ? true : throw new IOException($"{Xz} -9e: expected exit code 0, found {process.ExitCode}. Is there enough memory?");
        }
        catch (Win32Exception)
        {
            return false;                                   // there is no such program
        }
    }

    private static async Task<long> CountAsync(Stream stream)
    {
        var buffer = new byte[1 << 16];
        long count = 0;
        for (int read; (read = await stream.ReadAsync(buffer).ConfigureAwait(false)) > 0;)
            count += read;
        return count;
    }
}
