using System.Buffers.Binary;
using System.IO.Hashing;
using System.Security.Cryptography;

namespace Fathom.Cache;

/// <summary>What a file of the store holds.</summary>
internal enum StoreFileKind : byte
{
    /// <summary>2,048 tokens and their rows in all layers.</summary>
    Segment = 1,

    /// <summary>What a sequence needs beside the segments in front to go on.</summary>
    Checkpoint = 2,
}

/// <summary>The header of a file: what it is, without its content.</summary>
/// <param name="Kind">of file</param> <param name="Id">its own</param> <param name="Parent">the segment in front, or none</param>
/// <param name="FirstToken">position of its first token</param> <param name="Tokens">tokens in it; of a checkpoint, behind its last whole segment</param>
/// <param name="BodyBytes">size of the content</param>
internal readonly record struct StoreFileHeader(StoreFileKind Kind, StoreId Id, StoreId Parent, int FirstToken, int Tokens, long BodyBytes)
{
    /// <summary>Tokens up to its end.</summary>
    public int End => FirstToken + Tokens;
}

/// <summary>
/// Files that are written once: a header of 96 bytes, then the content. Integers are little-endian. Header and content are covered by an XXH3 of 128 bits, or, where
/// the store has a key, the content is enciphered with AES-256-GCM and both are covered by its tag. Stateless.
/// </summary>
/// <remarks>
/// 0 "FATHOMC1"; 8 kind; 9 whether enciphered; 16 id; 32 parent; 48 first token; 52 tokens; 56 bytes of content; 64 nonce (12); 80 checksum or tag (16).
/// </remarks>
internal static class StoreFile
{
    /// <summary>Bytes in front of the content.</summary>
    public const int HeaderBytes = 96;

    /// <summary>End of the name of a file that is not whole yet.</summary>
    public const string Partial = ".partial";

    private const int SealAt = 80;
    private const int NonceAt = 64;

    private static ReadOnlySpan<byte> Magic => "FATHOMC1"u8;

    /// <summary>Writes beside the final name, makes it durable, then renames. Nothing has the final name if that fails.</summary>
    /// <returns>bytes of the file</returns>
    /// <exception cref="IOException">the disk is full or the folder can't be written</exception>
    public static long Write(string path, StoreFileHeader header, Span<byte> body, ReadOnlySpan<byte> key)
    {
        Span<byte> front = stackalloc byte[HeaderBytes];
        front.Clear();
        Magic.CopyTo(front);
        front[8] = (byte)header.Kind;
        front[9] = key.IsEmpty ? (byte)0 : (byte)1;
        header.Id.Write(front[16..]);
        header.Parent.Write(front[32..]);
        BinaryPrimitives.WriteInt32LittleEndian(front[48..], header.FirstToken);
        BinaryPrimitives.WriteInt32LittleEndian(front[52..], header.Tokens);
        BinaryPrimitives.WriteInt64LittleEndian(front[56..], body.Length);
        Seal(front, body, key);
        string partial = $"{path}.{Guid.NewGuid():N}{Partial}";
        try
        {
            using (var stream = new FileStream(partial, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0))
            {
                stream.Write(front);
                stream.Write(body);
                stream.Flush(flushToDisk: true);
            }
            File.Move(partial, path, overwrite: true);
        }
        catch (Exception e)
        {
            Discard(partial);
            // So the runtime calls a file that the file system or a limit does not allow.
            if (e is ArgumentOutOfRangeException)
            {
                throw new IOException(e.Message, e);
            }
            throw;
        }
        return HeaderBytes + body.Length;
    }

    /// <summary>The header alone, unchecked but for its form; null if it has another.</summary>
    public static StoreFileHeader? ReadHeader(string path)
    {
        Span<byte> front = stackalloc byte[HeaderBytes];
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        return RandomAccess.Read(file, front, 0) == HeaderBytes ? Parse(front, RandomAccess.GetLength(file)) : null;
    }

    /// <summary>The content; null if the file is not what was written, or is another's.</summary>
    /// <param name="path">the file</param> <param name="expected">what it must be</param> <param name="key">of the tenant, or empty</param>
    /// <exception cref="IOException">it can't be read</exception>
    public static byte[]? Read(string path, StoreId expected, ReadOnlySpan<byte> key)
    {
        Span<byte> front = stackalloc byte[HeaderBytes];
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        if (RandomAccess.Read(file, front, 0) != HeaderBytes || Parse(front, RandomAccess.GetLength(file)) is not { } header || header.Id != expected)
        {
            return null;
        }
        byte[] body = GC.AllocateUninitializedArray<byte>(checked((int)header.BodyBytes));
        for (int done = 0; done < body.Length;)
        {
            int read = RandomAccess.Read(file, body.AsSpan(done), HeaderBytes + done);
            if (read == 0)
            {
                return null;
            }
            done += read;
        }
        return Open(front, body, key) ? body : null;
    }

    /// <summary>Removes a file if it is there and may be removed.</summary>
    public static void Discard(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It stays, and costs its bytes: there is nothing better to do.
        }
    }

    private static StoreFileHeader? Parse(ReadOnlySpan<byte> front, long length)
    {
        var header = new StoreFileHeader(
            (StoreFileKind)front[8], StoreId.Read(front[16..]), StoreId.Read(front[32..]),
            BinaryPrimitives.ReadInt32LittleEndian(front[48..]), BinaryPrimitives.ReadInt32LittleEndian(front[52..]), BinaryPrimitives.ReadInt64LittleEndian(front[56..]));
        bool isWhole = front.StartsWith(Magic) && Enum.IsDefined(header.Kind) && header.FirstToken >= 0 && header.Tokens >= 0
            && header.BodyBytes >= 0 && header.BodyBytes <= Array.MaxLength && header.BodyBytes == length - HeaderBytes;
        return isWhole ? header : null;
    }

    private static void Seal(Span<byte> front, Span<byte> body, ReadOnlySpan<byte> key)
    {
        if (key.IsEmpty)
        {
            Checksum(front, body, front[SealAt..]);
            return;
        }
        RandomNumberGenerator.Fill(front.Slice(NonceAt, AesGcm.NonceByteSizes.MaxSize));
        using var cipher = new AesGcm(key, AesGcm.TagByteSizes.MaxSize);
        cipher.Encrypt(front.Slice(NonceAt, AesGcm.NonceByteSizes.MaxSize), body, body, front[SealAt..], front[..SealAt]);
    }

    private static bool Open(Span<byte> front, Span<byte> body, ReadOnlySpan<byte> key)
    {
        if (front[9] != (key.IsEmpty ? 0 : 1))
        {
            return false;
        }
        if (key.IsEmpty)
        {
            Span<byte> found = stackalloc byte[HeaderBytes - SealAt];
            Checksum(front, body, found);
            return found.SequenceEqual(front[SealAt..]);
        }
        try
        {
            using var cipher = new AesGcm(key, AesGcm.TagByteSizes.MaxSize);
            cipher.Decrypt(front.Slice(NonceAt, AesGcm.NonceByteSizes.MaxSize), body, front[SealAt..], body, front[..SealAt]);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }

    private static void Checksum(ReadOnlySpan<byte> front, ReadOnlySpan<byte> body, Span<byte> checksum)
    {
        var hash = new XxHash128();
        hash.Append(front[..SealAt]);
        hash.Append(body);
        hash.GetCurrentHash(checksum);
    }
}
