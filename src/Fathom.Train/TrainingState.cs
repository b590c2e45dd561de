using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Fathom.Model;
using Fathom.Train.Model;

namespace Fathom.Train;

/// <summary>A training state that cannot be read or written.</summary>
public sealed class TrainingStateException : Exception
{
    /// <summary>Without more.</summary>
    public TrainingStateException()
    {
    }

    /// <summary>With what, where, and what to do.</summary>
    public TrainingStateException(string message) : base(message)
    {
    }

    /// <summary>The same, with its cause.</summary>
    public TrainingStateException(string message, Exception cause) : base(message, cause)
    {
    }
}

/// <summary>
/// One file with everything a run needs to go on: a mark, the model's fingerprint, counters, all numbers, and a SHA-256 of what is before it.
/// </summary>
internal static class TrainingState
{
    private const int HashBytes = 32;
    private static readonly byte[] s_mark = Encoding.ASCII.GetBytes("fathom training state 1\n");

    /// <exception cref="TrainingStateException">the file cannot be written</exception>
    public static void Write(string path, (long Steps, long Tokens) done, Parameters p, IReadOnlyList<Memory<float>> state)
    {
        string partial = path + ".partial";
        try
        {
            using (var file = new FileStream(partial, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16))
            {
                using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
                foreach (ReadOnlyMemory<byte> piece in Pieces(done, p, state))
                {
                    hash.AppendData(piece.Span);
                    file.Write(piece.Span);
                }
                file.Write(hash.GetHashAndReset());
                file.Flush(flushToDisk: true);
            }
            File.Move(partial, path, overwrite: true);
        }
        // The runtime's word for a file beyond what the file system or the user's limit allows is ArgumentOutOfRangeException.
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException)
        {
            Remove(partial);
            throw new TrainingStateException($"{path}: the training state could not be written: {e.Message} What was there is untouched.", e);
        }
    }

    // On a full disk half a state is in the way of everything else; where it can't go either, the first error is the one to tell.
    private static void Remove(string partial)
    {
        try
        {
            File.Delete(partial);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }

    /// <exception cref="TrainingStateException">the file is damaged or belongs to another model</exception>
    public static (long Steps, long Tokens) Read(string path, Parameters p, IReadOnlyList<Memory<float>> state)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TrainingStateException($"{path}: the training state could not be read: {e.Message}", e);
        }
        Check(path, bytes, p, state);
        ReadOnlySpan<byte> rest = bytes.AsSpan(s_mark.Length + HashBytes);
        long steps = MemoryMarshal.Read<long>(rest), tokens = MemoryMarshal.Read<long>(rest[sizeof(long)..]);
        rest = rest[(2 * sizeof(long))..];
        foreach (Memory<float> numbers in Numbers(p, state))
        {
            Span<byte> target = MemoryMarshal.AsBytes(numbers.Span);
            rest[..target.Length].CopyTo(target);
            rest = rest[target.Length..];
        }
        foreach (int[] table in Tables(p))
        {
            Span<byte> target = MemoryMarshal.AsBytes(table.AsSpan());
            rest[..target.Length].CopyTo(target);
            rest = rest[target.Length..];
        }
        return (steps, tokens);
    }

    private static void Check(string path, byte[] bytes, Parameters p, IReadOnlyList<Memory<float>> state)
    {
        if (bytes.Length < s_mark.Length + HashBytes || !bytes.AsSpan(0, s_mark.Length).SequenceEqual(s_mark))
        {
            throw new TrainingStateException($"{path}: expected a training state, found another kind of file of {bytes.Length} bytes.");
        }
        if (!bytes.AsSpan(s_mark.Length, HashBytes).SequenceEqual(Fingerprint(p, state)))
        {
            throw new TrainingStateException(
                $"{path}: expected the state of a model with this config, MTP and averaging, found another's. Resume with the config and options it was trained with.");
        }
        long expected = s_mark.Length + (2L * HashBytes) + (2 * sizeof(long)) + Numbers(p, state).Sum(n => sizeof(float) * (long)n.Length)
            + Tables(p).Sum(table => sizeof(int) * (long)table.Length);
        if (bytes.Length != expected || !SHA256.HashData(bytes.AsSpan(0, bytes.Length - HashBytes)).AsSpan().SequenceEqual(bytes.AsSpan(bytes.Length - HashBytes)))
        {
            throw new TrainingStateException(
                $"{path}: the training state is damaged: expected {expected} bytes that match their checksum, found {bytes.Length}. Take an earlier copy.");
        }
    }

    private static IEnumerable<ReadOnlyMemory<byte>> Pieces((long Steps, long Tokens) done, Parameters p, IReadOnlyList<Memory<float>> state)
    {
        yield return s_mark;
        yield return Fingerprint(p, state);
        yield return MemoryMarshal.AsBytes([done.Steps, done.Tokens]).ToArray();
        foreach (Memory<float> numbers in Numbers(p, state))
        {
            yield return MemoryMarshal.AsBytes(numbers.Span).ToArray();
        }
        foreach (int[] table in Tables(p))
        {
            yield return MemoryMarshal.AsBytes(table.AsSpan()).ToArray();
        }
    }

    private static IEnumerable<Memory<float>> Numbers(Parameters p, IReadOnlyList<Memory<float>> state) =>
        p.Numbers.Select(parameter => parameter.Value).Concat(state);

    private static IEnumerable<int[]> Tables(Parameters p) =>
        p.Expected.Where(weight => weight.Role == WeightRole.Ids).Select(weight => p.Table(weight.Key.Layer));

    // Names and sizes of everything that is stored, in order.
    private static byte[] Fingerprint(Parameters p, IReadOnlyList<Memory<float>> state) => SHA256.HashData(Encoding.UTF8.GetBytes(
        string.Join('\n', p.Expected.Select(weight => $"{weight.Name} {weight.Rows} {weight.Columns}").Concat(state.Select(numbers => $"{numbers.Length}")))));
}
