using Fathom.Checkpoints;

namespace Fathom.Text;

/// <summary>Checks what a tokenizer.json says against itself and makes the tables of a <see cref="Vocabulary"/> from it.</summary>
internal sealed class VocabularyBuilder
{
    private const int NoOwner = -1;

    private readonly TokenizerFile _file;
    private readonly int _count;
    private readonly Slice[] _spellings;        // by id, as the file spells them
    private readonly TokenFlags[] _flags;       // by id
    private byte[] _mergeBytes = new byte[256]; // scratch: both halves of a merge, side by side

    public VocabularyBuilder(TokenizerFile file)
    {
        _file = file;
        int most = file.Vocabulary.Count + file.AddedTokens.Count;
        _spellings = new Slice[most];
        _flags = new TokenFlags[most];
        _count = AssignIds();
    }

    public Vocabulary Build()
    {
        TokenBytes tokens = DecodeSpellings();
        var mergeable = new TokenTable(tokens, _count);
        var added = new TokenTable(tokens, _file.AddedTokens.Count);
        for (int id = 0; id < _count; id++)
        {
            int other = ((_flags[id] & TokenFlags.Added) != 0 ? added : mergeable).AddOrFind(id);
            if (other != id)
                throw Error($"{Name(id)} stands twice, with the ids {other} and {id}; expected each token once.");
        }

        CheckAddedAgainst(mergeable);
        return new Vocabulary(tokens, _flags, mergeable, added, ByteTokens(mergeable), MakeMerges(tokens, mergeable));
    }

    /// <summary>Fills the tables by id; returns the number of tokens, whose ids then are 0, 1, … without a hole.</summary>
    private int AssignIds()
    {
        var owner = new int[_spellings.Length];
        Array.Fill(owner, NoOwner);
        int highest = -1;
        int entries = _file.Vocabulary.Count;
        for (int entry = 0; entry < entries; entry++)
        {
            (Slice spelling, int id) = _file.Vocabulary[entry];
            CheckId(spelling, id);
            if (owner[id] != NoOwner)
                throw Error($"model.vocab gives the id {id} to both {_file.Quote(_spellings[id])} and {_file.Quote(spelling)}.");
            owner[id] = entry;
            _spellings[id] = spelling;
            highest = Math.Max(highest, id);
        }

        foreach (AddedToken token in _file.AddedTokens)
        {
            CheckId(token.Content, token.Id);
            bool takesOver = owner[token.Id] != NoOwner && (_flags[token.Id] & TokenFlags.Added) == 0;
            if (owner[token.Id] != NoOwner && !(takesOver && _file[token.Content].SequenceEqual(_file[_spellings[token.Id]])))
            {
                throw Error($"the id {token.Id} belongs to both {_file.Quote(_spellings[token.Id])} and the added token "
                    + $"{_file.Quote(token.Content)}.");
            }

            owner[token.Id] = entries;
            _spellings[token.Id] = token.Content;
            _flags[token.Id] = TokenFlags.Added | (token.Special ? TokenFlags.Special : 0);
            highest = Math.Max(highest, token.Id);
        }

        int hole = Array.IndexOf(owner, NoOwner, 0, highest + 1);
        return hole < 0 ? highest + 1
            : throw Error($"no token has the id {hole}, though ids go up to {highest}; expected ids from 0 without holes. Is the file cut short?");
    }

    private void CheckId(Slice spelling, int id)
    {
        if (unchecked((uint)id) >= (uint)_spellings.Length)
        {
            throw Error($"{_file.Quote(spelling)} has the id {id}; expected one from 0 to {_spellings.Length - 1}, "
                + "because that many tokens are in the file and ids have no holes.");
        }
    }

    private TokenBytes DecodeSpellings()
    {
        int bytesMax = 0;
        for (int id = 0; id < _count; id++)
            bytesMax += _spellings[id].Length;

        var bytes = new byte[bytesMax];
        var starts = new int[_count + 1];
        for (int id = 0; id < _count; id++)
        {
            Span<byte> room = bytes.AsSpan(starts[id]);
            ReadOnlySpan<byte> spelling = _file[_spellings[id]];
            int length = spelling.Length;
            if (length == 0)
                throw Error($"the token with the id {id} is empty.");
            if ((_flags[id] & TokenFlags.Added) != 0)
                spelling.CopyTo(room);
            else if (!ByteAlphabet.TryDecode(spelling, room, out length))
            {
                throw Error($"model.vocab: {Name(id)} (id {id}) has a character at byte {length} that is not in the byte-level alphabet; "
                    + "expected that only of added tokens.");
            }

            starts[id + 1] = starts[id] + length;
        }

        return new TokenBytes(bytes, starts);
    }

    /// <summary>An added token may share its bytes with an ordinary one only if the file spells them differently.</summary>
    private void CheckAddedAgainst(TokenTable mergeable)
    {
        foreach (AddedToken token in _file.AddedTokens)
        {
            ReadOnlySpan<byte> content = _file[token.Content];
            int other = mergeable.Find(content);
            if (other != TokenTable.None && _file[_spellings[other]].SequenceEqual(content))
                throw Error($"the added token {_file.Quote(token.Content)} has the id {token.Id}, but model.vocab gives it {other}.");
        }
    }

    private int[] ByteTokens(TokenTable mergeable)
    {
        var tokenOfByte = new int[256];
        for (int value = 0; value < tokenOfByte.Length; value++)
        {
            tokenOfByte[value] = mergeable.Find([(byte)value]);
            if (tokenOfByte[value] == TokenTable.None)
                throw Error($"model.vocab has no token for the byte 0x{value:X2}; a byte-level vocabulary needs all 256.");
        }

        return tokenOfByte;
    }

    private MergeTable MakeMerges(TokenBytes tokens, TokenTable mergeable)
    {
        var merges = new MergeTable(_file.Merges.Count);
        for (int rank = 0; rank < _file.Merges.Count; rank++)
        {
            (Slice left, Slice right) = _file.Merges[rank];
            if (left.Length + right.Length > _mergeBytes.Length)
                _mergeBytes = new byte[left.Length + right.Length];

            int leftToken = FindHalf(rank, left, 0, mergeable);
            int middle = tokens[leftToken].Length;
            int rightToken = FindHalf(rank, right, middle, mergeable);
            int merged = mergeable.Find(_mergeBytes.AsSpan(0, middle + tokens[rightToken].Length));
            if (merged == TokenTable.None)
                throw MergeError(rank, "their union is not an ordinary token of model.vocab");
            if (!merges.TryAdd(leftToken, rightToken, new Merge(rank, merged)))
                throw MergeError(rank, "the same pair stands earlier in the list");
        }

        return merges;
    }

    /// <summary>The token that one half of a merge spells; its bytes go to the scratch at <paramref name="at"/>.</summary>
    private int FindHalf(int rank, Slice half, int at, TokenTable mergeable)
    {
        Span<byte> room = _mergeBytes.AsSpan(at);
        int token = ByteAlphabet.TryDecode(_file[half], room, out int length) ? mergeable.Find(room[..length]) : TokenTable.None;
        return token != TokenTable.None ? token : throw MergeError(rank, $"{_file.Quote(half)} is not an ordinary token of model.vocab");
    }

    private CheckpointException MergeError(int rank, string reason) =>
        Error($"model.merges[{rank}] joins {_file.Quote(_file.Merges[rank].Left)} and {_file.Quote(_file.Merges[rank].Right)}, but {reason}.");

    private string Name(int id) => _file.Quote(_spellings[id]);

    private CheckpointException Error(string message) => _file.Error(message);
}
