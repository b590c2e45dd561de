using System.Runtime.InteropServices;
using Fathom.Prompts;
using Fathom.Text;

namespace Fathom.Train.Data;

/// <summary>Documents as token ids behind one another, each closed by EOS. In memory, 4 bytes per token; never changed, so safe from any thread.</summary>
public sealed class TokenDataset
{
    // "FTOK", version, documents, tokens, starts of the documents (8 bytes each), ids (4 bytes each), little-endian.
    private const uint Magic = 0x4B4F5446;
    private const uint Version = 1;
    private const int TokensMax = 500_000_000;

    private readonly int[] _ids;
    private readonly long[] _starts;

    private TokenDataset(int[] ids, long[] starts)
    {
        _ids = ids;
        _starts = starts;
    }

    /// <summary>Documents.</summary>
    public int Documents => _starts.Length;

    /// <summary>Tokens, the closing EOS of each document included.</summary>
    public int Tokens => _ids.Length;

    /// <summary>All ids.</summary>
    public ReadOnlySpan<int> Ids => _ids;

    /// <summary>One past the last token of the document that <paramref name="token"/> is in.</summary>
    public int DocumentEnd(int token)
    {
        int found = Array.BinarySearch(_starts, token);
        int next = found >= 0 ? found + 1 : ~found;
        return next < _starts.Length ? (int)_starts[next] : _ids.Length;
    }

    /// <summary>Encodes texts, each a document; those without any token are left out. Control tokens spelled in them stay plain text.</summary>
    /// <exception cref="ArgumentException">The tokenizer has no EOS, or no text has a token.</exception>
    public static TokenDataset Tokenize(IEnumerable<string> documents, Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(documents);
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (!tokenizer.TryGetId(ProtocolTokens.EndOfSentence, out int end))
            throw new ArgumentException($"The tokenizer has no {ProtocolTokens.EndOfSentence}; expected a DeepSeek-V4 vocabulary.", nameof(tokenizer));
        var ids = new List<int>();
        var starts = new List<long>();
        foreach (string document in documents)
        {
            int start = ids.Count;
            tokenizer.Append(document, recognizeAddedTokens: false, ids);
            if (ids.Count == start)
                continue;
            starts.Add(start);
            ids.Add(end);
        }

        return ids.Count > 0 ? new TokenDataset([.. ids], [.. starts])
            : throw new ArgumentException("The corpus is empty: no document has any text.", nameof(documents));
    }

    /// <summary>Writes the dataset; an older file is replaced only when all is written.</summary>
    public void Save(string path)
    {
        string partial = path + ".partial";
        using (var writer = new BinaryWriter(File.Create(partial)))
        {
            writer.Write(Magic);
            writer.Write(Version);
            writer.Write((long)_starts.Length);
            writer.Write((long)_ids.Length);
            writer.Write(MemoryMarshal.AsBytes(_starts.AsSpan()));
            writer.Write(MemoryMarshal.AsBytes(_ids.AsSpan()));
        }

        File.Move(partial, path, overwrite: true);
    }

    /// <summary>Reads a file that <see cref="Save"/> wrote.</summary>
    /// <exception cref="InvalidDataException">The file is another kind or is cut short.</exception>
    public static TokenDataset Load(string path)
    {
        using FileStream file = File.OpenRead(path);
        const int HeaderBytes = 24;
        if (file.Length < HeaderBytes)
            throw new InvalidDataException($"{path}: expected a token dataset, found {file.Length} bytes.");
        using var reader = new BinaryReader(file);
        if (reader.ReadUInt32() != Magic || reader.ReadUInt32() != Version)
            throw new InvalidDataException($"{path}: expected a token dataset of version {Version}. Was the file written by the corpus script?");
        long documents = reader.ReadInt64();
        long tokens = reader.ReadInt64();
        if (tokens is <= 0 or > TokensMax || documents is <= 0 || documents > tokens || file.Length != HeaderBytes + documents * 8 + tokens * 4)
            throw new InvalidDataException($"{path}: expected {documents} documents and {tokens} tokens, found {file.Length} bytes. Is the file cut short?");
        var starts = new long[documents];
        var ids = new int[tokens];
        file.ReadExactly(MemoryMarshal.AsBytes(starts.AsSpan()));
        file.ReadExactly(MemoryMarshal.AsBytes(ids.AsSpan()));
        return new TokenDataset(ids, starts);
    }
}
