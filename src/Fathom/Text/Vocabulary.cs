namespace Fathom.Text;

/// <summary>The tokens of a tokenizer.json: their bytes, flags and merges. Complete and checked when made, never changed after.</summary>
internal sealed class Vocabulary
{
    private readonly TokenBytes _tokens;
    private readonly TokenFlags[] _flags;
    private readonly TokenTable _added;
    private readonly int[] _tokenOfByte;

    /// <param name="tokens">bytes by id</param> <param name="flags">by id</param> <param name="mergeable">all tokens that aren't added</param>
    /// <param name="added">the added ones</param> <param name="tokenOfByte">(256) ids</param> <param name="merges">by pair of ids</param>
    public Vocabulary(TokenBytes tokens, TokenFlags[] flags, TokenTable mergeable, TokenTable added, int[] tokenOfByte, MergeTable merges)
    {
        _tokens = tokens;
        _flags = flags;
        _added = added;
        _tokenOfByte = tokenOfByte;
        Mergeable = mergeable;
        Merges = merges;
    }

    /// <summary>Number of tokens; ids are 0 to Count − 1.</summary>
    public int Count => _tokens.Count;

    /// <summary>Length in bytes of the longest token.</summary>
    public int LongestToken => Math.Max(Mergeable.LongestToken, _added.LongestToken);

    /// <summary>The tokens that ordinary text can become: no added token is among them.</summary>
    public TokenTable Mergeable { get; }

    public MergeTable Merges { get; }

    /// <summary>A matcher of the added tokens, or null if there are none.</summary>
    public AddedTokenMatcher? MakeMatcher()
    {
        var ids = new List<int>();
        for (int id = 0; id < Count; id++)
        {
            if (Has(id, TokenFlags.Added))
                ids.Add(id);
        }

        return ids.Count == 0 ? null : new AddedTokenMatcher(_tokens, ids);
    }

    public ReadOnlySpan<byte> Bytes(int id) => _tokens[id];

    public bool Has(int id, TokenFlags flag) => (_flags[id] & flag) != 0;

    public int TokenOfByte(byte value) => _tokenOfByte[value];

    /// <summary>The id of the token with these bytes, an added one first; <see cref="TokenTable.None"/> if there is none.</summary>
    public int Find(ReadOnlySpan<byte> bytes)
    {
        int id = _added.Find(bytes);
        return id != TokenTable.None ? id : Mergeable.Find(bytes);
    }

    /// <summary>Reads and checks a tokenizer.json.</summary>
    /// <exception cref="Checkpoints.CheckpointException">The file is missing, damaged, contradicts itself, or is of another kind.</exception>
    public static Vocabulary Read(string path) => new VocabularyBuilder(TokenizerFile.Read(path)).Build();
}

/// <summary>What a token is besides its bytes.</summary>
[Flags]
internal enum TokenFlags : byte
{
    /// <summary>Matched in raw text, never made by merges.</summary>
    Added = 1,

    /// <summary>Marked special in the file.</summary>
    Special = 2,
}
