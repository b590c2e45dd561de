using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Fathom.Cache;

/// <summary>What a file of the store is called: the first 128 bits of a SHA-256, or of an HMAC-SHA-256 where the store has a key.</summary>
/// <param name="Value">the bits</param>
internal readonly record struct StoreId(UInt128 Value)
{
    /// <summary>Bytes of an id.</summary>
    public const int Bytes = 16;

    /// <summary>Where chains begin.</summary>
    public static StoreId None => default;

    /// <summary>An id from its bytes.</summary>
    public static StoreId Read(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt128BigEndian(bytes));

    /// <summary>An id from the digits of a file's name.</summary>
    public static bool TryParse(ReadOnlySpan<char> digits, out StoreId id)
    {
        bool isOne = UInt128.TryParse(digits, System.Globalization.NumberStyles.AllowHexSpecifier, null, out UInt128 value) && digits.Length == 2 * Bytes;
        id = new StoreId(value);
        return isOne;
    }

    /// <summary>
    /// The id of tokens behind others: a hash of the namespace, the id of what is in front, and the tokens. Equal prefixes have equal ids, and a
    /// namespace's ids occur in no other.
    /// </summary>
    /// <param name="scope">the namespace's digest</param> <param name="key">of the tenant, or empty</param> <param name="kind">of file</param>
    /// <param name="parent">the segment in front, or <see cref="None"/></param> <param name="tokens">what follows</param>
    public static StoreId Of(ReadOnlySpan<byte> scope, ReadOnlySpan<byte> key, StoreFileKind kind, StoreId parent, ReadOnlySpan<int> tokens)
    {
        using var hash = key.IsEmpty ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
        Span<byte> front = stackalloc byte[Bytes + 1], digest = stackalloc byte[SHA256.HashSizeInBytes];
        front[0] = (byte)kind;
        parent.Write(front[1..]);
        hash.AppendData(scope);
        hash.AppendData(front);
        hash.AppendData(MemoryMarshal.AsBytes(tokens));
        hash.GetHashAndReset(digest);
        return Read(digest);
    }

    /// <summary>Writes the bytes of the id.</summary>
    public void Write(Span<byte> bytes) => BinaryPrimitives.WriteUInt128BigEndian(bytes, Value);

    /// <summary>32 hexadecimal digits.</summary>
    public override string ToString() => Value.ToString("x32", System.Globalization.CultureInfo.InvariantCulture);
}
