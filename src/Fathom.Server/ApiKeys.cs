using System.Security.Cryptography;
using System.Text;

namespace Fathom.Server;

/// <summary>The keys of those who may ask. Only hashes are kept in memory. Immutable; may be used from any thread.</summary>
public sealed class ApiKeys
{
    private const string HashPrefix = "sha256:";

    private readonly (string Name, byte[] Hash)[] _keys;

    private ApiKeys((string Name, byte[] Hash)[] keys) => _keys = keys;

    /// <summary>No keys.</summary>
    public static ApiKeys None { get; } = new([]);

    /// <summary>How many there are.</summary>
    public int Count => _keys.Length;

    /// <summary>
    /// Reads keys, one a line: <c>KEY</c>, or <c>NAME KEY</c>. A key is at least 16 visible characters, or sha256: and the 64 hexadecimal digits of one's
    /// SHA-256. Empty lines and those that begin with # are left out. A key without a name is called by its place, as in key3.
    /// </summary>
    /// <param name="lines">the lines</param> <param name="source">for messages: where they come from</param>
    /// <exception cref="InvalidDataException">a line is no key, or a name comes twice; no key is in the message</exception>
    public static ApiKeys Parse(IEnumerable<string> lines, string source)
    {
        ArgumentNullException.ThrowIfNull(lines);
        var keys = new List<(string Name, byte[] Hash)>();
        int number = 0;
        foreach (string line in lines)
        {
            number++;
            string[] words = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 0 || words[0].StartsWith('#'))
            {
                continue;
            }
            if (words.Length > 2)
            {
                throw new InvalidDataException($"{source}, line {number}: expected a key, or a name and a key, found {words.Length} words.");
            }
            string name = words.Length == 2 ? words[0] : $"key{keys.Count + 1}";
            if (keys.Exists(key => key.Name == name))
            {
                throw new InvalidDataException($"{source}, line {number}: expected every name once, found {name} twice.");
            }
            keys.Add((name, Hash(words[^1], source, number)));
        }
        return new ApiKeys([.. keys]);
    }

    /// <summary>The name of a key; null if it is none. Takes the same time for all that are none.</summary>
    public string? Find(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(key));
        string? found = null;
        foreach ((string name, byte[] known) in _keys)
        {
            found = CryptographicOperations.FixedTimeEquals(hash, known) ? name : found;
        }
        return found;
    }

    private static byte[] Hash(string key, string source, int number)
    {
        const int KeyLengthMin = 16;
        if (!key.StartsWith(HashPrefix, StringComparison.Ordinal))
        {
            return key.Length >= KeyLengthMin ? SHA256.HashData(Encoding.UTF8.GetBytes(key))
                : throw new InvalidDataException($"{source}, line {number}: expected a key of at least {KeyLengthMin} characters, found {key.Length}. "
                    + $"Make one with: openssl rand -hex 32");
        }
        try
        {
            byte[] hash = Convert.FromHexString(key.AsSpan(HashPrefix.Length));
            if (hash.Length == SHA256.HashSizeInBytes)
            {
                return hash;
            }
        }
        catch (FormatException)
        {
            // Said below.
        }
        throw new InvalidDataException($"{source}, line {number}: expected {HashPrefix} and 64 hexadecimal digits, found "
            + $"{key.Length - HashPrefix.Length} other characters.");
    }
}
