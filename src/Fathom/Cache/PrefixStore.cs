using System.Runtime.InteropServices;
using System.Text.Json;
using Fathom.Devices;
using Fathom.Model;

namespace Fathom.Cache;

/// <summary>
/// Sequences on a disk, found again by their tokens: segments of 2,048 tokens, which all sequences with that beginning share, and checkpoints, small, at which a sequence
/// can go on. What is found has the bits of a sequence that was computed from nothing; a file that is damaged, missing or foreign is a miss. Several processes may use a
/// folder. One thread at a time.
/// </summary>
public sealed class PrefixStore
{
    /// <summary>Says for people what a folder belongs to.</summary>
    internal const string DescriptionName = "namespace.json";

    private readonly Device _device;
    private readonly CacheLayout _layout;
    private readonly CacheNamespace _scope;
    private readonly StoreOptions _options;
    private readonly StoreFolder _folder;
    private readonly string _path;

    /// <summary>A store; the folder is made when something is first written.</summary>
    /// <param name="root">folder of all namespaces</param> <param name="scope">whose caches</param> <param name="device">where sequences live</param>
    /// <param name="layout">of the sequences</param> <param name="options">how it is kept</param>
    /// <exception cref="ArgumentException">the key has another length than 32 bytes, or the model's blocks cannot be shared</exception>
    public PrefixStore(string root, CacheNamespace scope, Device device, CacheLayout layout, StoreOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        ArgumentNullException.ThrowIfNull(scope);
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Key.Length is not (0 or 32))
        {
            throw new ArgumentException($"The key of a store: expected 32 bytes, found {options.Key.Length}.", nameof(options));
        }
        if (!layout.HasWholeBlocks)
        {
            throw new ArgumentException(
                $"A compression ratio of this model does not divide {CacheLayout.BlockTokens} tokens, so its blocks cannot be shared on a disk.", nameof(layout));
        }
        (_device, _layout, _scope, _options) = (device, layout, scope, options);
        _path = Path.Combine(root, scope.FolderName);
        _folder = new StoreFolder(_path);
        _folder.RemoveLeftovers();
    }

    /// <summary>Counts since it was opened.</summary>
    public StoreStatistics Statistics { get; } = new();

    /// <summary>Whether the MTP block has read its sequences too.</summary>
    public bool HasDrafts => _scope.HasDrafts;

    /// <summary>Bytes of the namespace's files, by the last look.</summary>
    public long Bytes => _folder.Bytes;

    /// <summary>Tokens of the longest beginning of <paramref name="tokens"/> at which a sequence can go on; 0 if there is none. Reads no contents.</summary>
    public int Find(ReadOnlySpan<int> tokens) => Search(tokens, Chain(tokens))?.End ?? 0;

    /// <summary>Fills an empty sequence with the longest beginning that is stored whole.</summary>
    /// <param name="tokens">of the text</param> <param name="sequence">empty, of the store's layout</param> <param name="logits">(vocabulary), those behind the last token restored</param>
    /// <returns>tokens restored; 0 leaves sequence and logits as they are</returns>
    /// <exception cref="OutOfMemoryException">the sequence does not fit into memory</exception>
    public int Restore(ReadOnlySpan<int> tokens, SequenceCache sequence, Span<float> logits)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        List<StoreId> chain = Chain(tokens);
        while (Search(tokens, chain) is { } found)
        {
            if (TryRestore(found, tokens[..found.End], chain, sequence, logits))
            {
                _folder.Touch(found.Id, Now);
                Statistics.Hits++;
                Statistics.TokensHit += found.End;
                return found.End;
            }
        }
        Statistics.Misses++;
        return 0;
    }

    /// <summary>Writes what is not there yet of a sequence, and a checkpoint at its end. A disk that is full or may not be written is reported and changes nothing else.</summary>
    /// <param name="sequence">of the store's layout</param> <param name="logits">behind its last token, (vocabulary)</param>
    /// <returns>whether all of it is stored</returns>
    public bool Save(SequenceCache sequence, ReadOnlySpan<float> logits)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        try
        {
            if (!Directory.Exists(_path))
            {
                Directory.CreateDirectory(_path);
                Describe();
            }
            _folder.Refresh();
            List<StoreId> chain = Chain(sequence.Tokens);
            for (int i = 1; i < chain.Count; i++)
            {
                if (!_folder.HasSegment(chain[i]))
                {
                    WriteSegment(sequence, i - 1, chain);
                }
            }
            StoreId checkpoint = WriteCheckpoint(sequence, logits, chain[^1]);
            _folder.Fit(_options.BudgetBytes, checkpoint, Now);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _options.Report?.Invoke($"{_path}: the cache was not written: {e.Message.TrimEnd('.')}. Answers stay as they are; later ones will not find this text.");
            return false;
        }
    }

    /// <summary>Names the checkpoint at the end of stored tokens, so that it stays.</summary>
    /// <param name="name">letters, digits, dot, dash and underscore, 64 at most</param> <param name="tokens">all of them stored</param>
    /// <param name="sources">for people</param> <param name="rest">see <see cref="StorePin.Rest"/></param>
    /// <returns>whether there was such a checkpoint to name</returns>
    /// <exception cref="ArgumentException">the name has other characters</exception>
    /// <exception cref="IOException">the folder can't be written</exception>
    public bool Pin(string name, ReadOnlySpan<int> tokens, IReadOnlyList<string> sources, string rest = "")
    {
        ArgumentNullException.ThrowIfNull(name);
        StorePins.RequireName(name);
        if (Search(tokens, Chain(tokens)) is not { } found || found.End != tokens.Length)
        {
            return false;
        }
        _folder.Pins.Write(new StorePin(name, tokens.Length, Now, sources) { Checkpoint = found.Id.ToString(), Rest = rest });
        return true;
    }

    /// <summary>The pin of a name, or null.</summary>
    public StorePin? FindPin(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _folder.Pins.Find(name);
    }

    /// <summary>The tokens of a pinned text; null if there is no such pin, or its files are gone or damaged.</summary>
    public int[]? TokensOf(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        _folder.Refresh();
        if (_folder.Pins.Find(name) is not { } pin || !_folder.Checkpoints.TryGetValue(pin.Id, out StoredCheckpoint? checkpoint))
        {
            return null;
        }
        var tokens = new int[checkpoint.Header.End];
        int end = checkpoint.Header.FirstToken;
        if (!TryReadTokens(StoreFileKind.Checkpoint, pin.Id, tokens.AsSpan(end)))
        {
            return null;
        }
        for (StoreId at = checkpoint.Header.Parent; end > 0; end -= CacheLayout.BlockTokens)
        {
            StoreFileHeader? segment = Header(at);
            if (segment is null || !TryReadTokens(StoreFileKind.Segment, at, tokens.AsSpan(end - CacheLayout.BlockTokens, CacheLayout.BlockTokens)))
            {
                return null;
            }
            at = segment.Value.Parent;
        }
        return tokens;
    }

    private DateTime Now => _options.Clock.GetUtcNow().UtcDateTime;

    private ReadOnlySpan<byte> Key => _options.Key.Span;

    // Ids of the whole segments of a text, in front of them none: chain[k] ends at token 2,048 · k.
    private List<StoreId> Chain(ReadOnlySpan<int> tokens)
    {
        var chain = new List<StoreId>((tokens.Length / CacheLayout.BlockTokens) + 1) { StoreId.None };
        for (int end = CacheLayout.BlockTokens; end <= tokens.Length; end += CacheLayout.BlockTokens)
        {
            chain.Add(StoreId.Of(_scope.Digest, Key, StoreFileKind.Segment, chain[^1], tokens[(end - CacheLayout.BlockTokens)..end]));
        }
        return chain;
    }

    // The deepest checkpoint whose tokens these are and whose segments are all there.
    private StoreFileHeader? Search(ReadOnlySpan<int> tokens, List<StoreId> chain)
    {
        _folder.Refresh();
        ILookup<StoreId, StoreFileHeader> byParent = _folder.Checkpoints.Values.Select(checkpoint => checkpoint.Header).ToLookup(header => header.Parent);
        int whole = 0;
        while (whole + 1 < chain.Count && _folder.HasSegment(chain[whole + 1]))
        {
            whole++;
        }
        for (int k = whole; k >= 0; k--)
        {
            int first = k * CacheLayout.BlockTokens;
            foreach (StoreFileHeader header in byParent[chain[k]].OrderByDescending(header => header.Tokens))
            {
                if (header.FirstToken == first && header.Tokens > 0 | first > 0 && header.End <= tokens.Length
                    && StoreId.Of(_scope.Digest, Key, StoreFileKind.Checkpoint, chain[k], tokens[first..header.End]) == header.Id)
                {
                    return header;
                }
            }
        }
        return null;
    }

    private bool TryRestore(StoreFileHeader found, ReadOnlySpan<int> tokens, List<StoreId> chain, SequenceCache sequence, Span<float> logits)
    {
        int blocks = found.FirstToken / CacheLayout.BlockTokens, tail = found.Tokens;
        if (ReadBody(StoreFileKind.Checkpoint, found.Id, tokens[found.FirstToken..]) is not { } checkpoint)
        {
            return false;
        }
        var reader = new ByteReader(checkpoint.AsSpan(tail * sizeof(int)));
        if (reader.Left != Sum(_layout.StateRanges(tokens.Length)) + Sum(_layout.BlockRanges(tail)) + (logits.Length * sizeof(float)))
        {
            Damage(StoreFileKind.Checkpoint, found.Id);
            return false;
        }
        // All segments are read before the sequence begins, so that a damaged one leaves it empty.
        var bodies = new byte[blocks][];
        for (int i = 0; i < blocks; i++)
        {
            ReadOnlySpan<int> own = tokens.Slice(i * CacheLayout.BlockTokens, CacheLayout.BlockTokens);
            if (ReadBody(StoreFileKind.Segment, chain[i + 1], own) is not { } body)
            {
                return false;
            }
            if (body.Length != (CacheLayout.BlockTokens * sizeof(int)) + Sum(_layout.BlockRanges(CacheLayout.BlockTokens)))
            {
                Damage(StoreFileKind.Segment, chain[i + 1]);
                return false;
            }
            bodies[i] = body;
        }
        sequence.Begin(tokens);
        for (int i = 0; i < blocks; i++)
        {
            Upload(new ByteReader(bodies[i].AsSpan(CacheLayout.BlockTokens * sizeof(int))), _layout.BlockRanges(CacheLayout.BlockTokens), sequence, i);
            bodies[i] = [];
        }
        foreach (ByteRange range in _layout.StateRanges(tokens.Length))
        {
            _device.Upload(reader.Take(range.Bytes), sequence.State(range));
        }
        reader = Upload(reader, _layout.BlockRanges(tail), sequence, blocks);
        MemoryMarshal.Cast<byte, float>(reader.Take(logits.Length * sizeof(float))).CopyTo(logits);
        return true;
    }

    private ByteReader Upload(ByteReader reader, IEnumerable<ByteRange> ranges, SequenceCache sequence, int block)
    {
        foreach (ByteRange range in ranges)
        {
            _device.Upload(reader.Take(range.Bytes), sequence.Block(block, range));
        }
        return reader;
    }

    private void WriteSegment(SequenceCache sequence, int block, List<StoreId> chain)
    {
        int first = block * CacheLayout.BlockTokens;
        ReadOnlySpan<int> tokens = sequence.Tokens.Slice(first, CacheLayout.BlockTokens);
        var writer = new ByteWriter((tokens.Length * sizeof(int)) + Sum(_layout.BlockRanges(tokens.Length)));
        MemoryMarshal.AsBytes(tokens).CopyTo(writer.Next(tokens.Length * sizeof(int)));
        foreach (ByteRange range in _layout.BlockRanges(tokens.Length))
        {
            _device.Download(sequence.Block(block, range), writer.Next(range.Bytes));
        }
        Write(new StoreFileHeader(StoreFileKind.Segment, chain[block + 1], chain[block], first, tokens.Length, writer.Length), writer.Bytes);
    }

    private StoreId WriteCheckpoint(SequenceCache sequence, ReadOnlySpan<float> logits, StoreId parent)
    {
        int tail = sequence.Length % CacheLayout.BlockTokens, first = sequence.Length - tail;
        ReadOnlySpan<int> tokens = sequence.Tokens[first..];
        StoreId id = StoreId.Of(_scope.Digest, Key, StoreFileKind.Checkpoint, parent, tokens);
        if (_folder.Checkpoints.ContainsKey(id))
        {
            return id;
        }
        var writer = new ByteWriter(
            (tail * sizeof(int)) + Sum(_layout.StateRanges(sequence.Length)) + Sum(_layout.BlockRanges(tail)) + (logits.Length * sizeof(float)));
        MemoryMarshal.AsBytes(tokens).CopyTo(writer.Next(tail * sizeof(int)));
        foreach (ByteRange range in _layout.StateRanges(sequence.Length))
        {
            _device.Download(sequence.State(range), writer.Next(range.Bytes));
        }
        foreach (ByteRange range in _layout.BlockRanges(tail))
        {
            _device.Download(sequence.Block(first / CacheLayout.BlockTokens, range), writer.Next(range.Bytes));
        }
        MemoryMarshal.AsBytes(logits).CopyTo(writer.Next(logits.Length * sizeof(float)));
        Write(new StoreFileHeader(StoreFileKind.Checkpoint, id, parent, first, tail, writer.Length), writer.Bytes);
        return id;
    }

    private void Write(StoreFileHeader header, byte[] body)
    {
        long bytes = StoreFile.Write(_folder.PathOf(header.Kind, header.Id), header, body, Key);
        _folder.Add(header, bytes, Now);
        Statistics.BytesWritten += bytes;
    }

    // Null where the file is gone, or is not what was written, or holds other tokens.
    private byte[]? ReadBody(StoreFileKind kind, StoreId id, ReadOnlySpan<int> tokens)
    {
        byte[]? body = ReadBody(kind, id);
        if (body is null || body.AsSpan().StartsWith(MemoryMarshal.AsBytes(tokens)))
        {
            return body;
        }
        Damage(kind, id);
        return null;
    }

    // Null where the file is gone, or is not what was written.
    private byte[]? ReadBody(StoreFileKind kind, StoreId id)
    {
        try
        {
            if (StoreFile.Read(_folder.PathOf(kind, id), id, Key) is { } body)
            {
                return body;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // As damage: put aside if it is there, forgotten in any case.
        }
        Damage(kind, id);
        return null;
    }

    private bool TryReadTokens(StoreFileKind kind, StoreId id, Span<int> tokens)
    {
        if (ReadBody(kind, id) is not { } body)
        {
            return false;
        }
        if (body.Length < tokens.Length * sizeof(int))
        {
            Damage(kind, id);
            return false;
        }
        MemoryMarshal.Cast<byte, int>(body.AsSpan(0, tokens.Length * sizeof(int))).CopyTo(tokens);
        return true;
    }

    private StoreFileHeader? Header(StoreId segment)
    {
        try
        {
            return StoreFile.ReadHeader(_folder.PathOf(StoreFileKind.Segment, segment));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private void Damage(StoreFileKind kind, StoreId id)
    {
        string path = _folder.PathOf(kind, id);
        if (!File.Exists(path))
        {
            _folder.Forget(kind, id);                                                     // another process removed it
            return;
        }
        _folder.Quarantine(kind, id);
        Statistics.Damaged++;
        _options.Report?.Invoke($"{path}: not what was written, so it counts as missing; put aside as .damaged if that was possible. The text is computed anew.");
    }

    private void Describe() => File.WriteAllBytes(Path.Combine(_path, DescriptionName), JsonSerializer.SerializeToUtf8Bytes(
        new StoreDescription(_scope.Model, _scope.Parts), StoreDescriptionJson.Default.StoreDescription));

    private static int Sum(IEnumerable<ByteRange> ranges) => checked((int)ranges.Sum(range => range.Bytes));
}
