using System.Globalization;

namespace Fathom.Cache;

/// <summary>A checkpoint on the disk.</summary>
/// <param name="Header">of its file</param> <param name="Bytes">of its file</param> <param name="LastUsed">written or found, by the clock of then</param>
/// <param name="Hits">times that it was found</param>
internal sealed record StoredCheckpoint(StoreFileHeader Header, long Bytes, DateTime LastUsed, int Hits);

/// <summary>
/// The files of one namespace: where they are, which there are, and what may go. Other processes may write and remove files at any time, so whatever is listed may be gone
/// when it is opened. One thread at a time.
/// </summary>
internal sealed class StoreFolder
{
    private const string SegmentEnd = ".segment";
    private const string CheckpointEnd = ".checkpoint";
    private const string HitsEnd = ".hits";
    private const string Quarantined = ".damaged";
    private readonly string _path;
    private readonly Dictionary<StoreId, StoredCheckpoint> _checkpoints = [];
    private readonly Dictionary<StoreId, (StoreId Parent, long Bytes)> _segments = [];
    private DateTime _scanned = DateTime.MinValue;

    public StoreFolder(string path)
    {
        _path = path;
        Pins = new StorePins(path);
    }

    /// <summary>Named checkpoints, which stay.</summary>
    public StorePins Pins { get; }

    /// <summary>By the last look.</summary>
    public IReadOnlyDictionary<StoreId, StoredCheckpoint> Checkpoints => _checkpoints;

    /// <summary>Segments by the last look.</summary>
    public int SegmentCount => _segments.Count;

    /// <summary>Bytes of all files by the last look.</summary>
    public long Bytes => _checkpoints.Values.Sum(checkpoint => checkpoint.Bytes) + _segments.Values.Sum(segment => segment.Bytes);

    /// <summary>Where a file of a kind and id is.</summary>
    public string PathOf(StoreFileKind kind, StoreId id) => Path.Combine(_path, id + (kind == StoreFileKind.Segment ? SegmentEnd : CheckpointEnd));

    /// <summary>Whether a file has a name as <see cref="PathOf"/> gives it, and for what.</summary>
    public static bool IsStored(string file, out StoreFileKind kind, out StoreId id)
    {
        bool isSegment = file.EndsWith(SegmentEnd, StringComparison.Ordinal);
        kind = isSegment ? StoreFileKind.Segment : StoreFileKind.Checkpoint;
        return StoreId.TryParse(Path.GetFileNameWithoutExtension(file.AsSpan()), out id) && (isSegment || file.EndsWith(CheckpointEnd, StringComparison.Ordinal));
    }

    /// <summary>Whether a segment was there by the last look.</summary>
    public bool HasSegment(StoreId id) => _segments.ContainsKey(id);

    /// <summary>Lists the files again if the folder has changed since the last time.</summary>
    public void Refresh()
    {
        if (!Directory.Exists(_path))
        {
            Forget();
            return;
        }
        // Within a coarse clock's tick a change may not show, so what was looked at in the tick of a change is looked at again.
        DateTime changed = Directory.GetLastWriteTimeUtc(_path);
        if (changed == _scanned)
        {
            return;
        }
        Forget();
        foreach (string file in Directory.EnumerateFiles(_path))
        {
            List(file);
        }
        _scanned = DateTime.UtcNow - changed > TimeSpan.FromSeconds(1) ? changed : DateTime.MinValue;
    }

    /// <summary>Removes what a process left that ended while it was writing.</summary>
    public void RemoveLeftovers()
    {
        if (!Directory.Exists(_path))
        {
            return;
        }
        foreach (string file in Directory.EnumerateFiles(_path, "*" + StoreFile.Partial))
        {
            try
            {
                // A live writer has it open for itself alone.
                new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                continue;
            }
            StoreFile.Discard(file);
        }
    }

    /// <summary>Notes a file that was just written.</summary>
    public void Add(StoreFileHeader header, long bytes, DateTime now)
    {
        if (header.Kind == StoreFileKind.Segment)
        {
            _segments[header.Id] = (header.Parent, bytes);
        }
        else
        {
            _checkpoints[header.Id] = new StoredCheckpoint(header, bytes, now, Hits(header.Id));
        }
    }

    /// <summary>Counts a hit; if that can't be written, nothing is lost but the count.</summary>
    public void Touch(StoreId id, DateTime now)
    {
        if (!_checkpoints.TryGetValue(id, out StoredCheckpoint? checkpoint))
        {
            return;
        }
        _checkpoints[id] = checkpoint = checkpoint with { Hits = checkpoint.Hits + 1, LastUsed = now };
        try
        {
            string path = PathOf(StoreFileKind.Checkpoint, id);
            File.SetLastWriteTimeUtc(path, now);
            File.WriteAllText(path + HitsEnd, checkpoint.Hits.ToString(CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A folder that can only be read still gives hits.
        }
    }

    /// <summary>Puts a damaged file aside under another name, where it can be looked at; it is no longer listed.</summary>
    public void Quarantine(StoreFileKind kind, StoreId id)
    {
        string path = PathOf(kind, id);
        try
        {
            File.Move(path, path + Quarantined, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Gone, or in a folder that can only be read; it is not believed again before the folder changes.
        }
        Forget(kind, id);
    }

    /// <summary>Takes a file from the list.</summary>
    public void Forget(StoreFileKind kind, StoreId id) => _ = kind == StoreFileKind.Segment ? _segments.Remove(id) : _checkpoints.Remove(id);

    /// <summary>Removes a checkpoint, and the segments that no other one needs.</summary>
    public void Drop(StoreId id)
    {
        Discard(id);
        DiscardUnused();
    }

    /// <summary>
    /// Removes checkpoints until the files fit, the least valuable first: seconds saved, for which tokens stand, per byte, times hits of which half are forgotten
    /// in every <see cref="HalfLife"/>; then the segments that no checkpoint needs.
    /// </summary>
    /// <param name="budget">bytes</param> <param name="keep">stays whatever it is worth</param> <param name="now">for ages; one before the last use counts as none</param>
    public void Fit(long budget, StoreId keep, DateTime now)
    {
        if (Bytes <= budget)
        {
            return;
        }
        HashSet<StoreId> pinned = [.. Pins.All().Select(pin => pin.Id)];
        foreach (StoredCheckpoint checkpoint in _checkpoints.Values.Where(c => c.Header.Id != keep && !pinned.Contains(c.Header.Id)).OrderBy(c => Worth(c, now)).ToArray())
        {
            Discard(checkpoint.Header.Id);
            DiscardUnused();
            if (Bytes <= budget)
            {
                return;
            }
        }
    }

    /// <summary>In which half of a checkpoint's hits are forgotten.</summary>
    internal static TimeSpan HalfLife { get; } = TimeSpan.FromHours(6);

    internal static double Worth(StoredCheckpoint checkpoint, DateTime now)
    {
        double age = Math.Max(0, (now - checkpoint.LastUsed) / HalfLife);
        return ((checkpoint.Hits * Math.Pow(2, -age)) + 1) * Math.Max(1, checkpoint.Header.End) / checkpoint.Bytes;
    }

    private void Discard(StoreId id)
    {
        string path = PathOf(StoreFileKind.Checkpoint, id);
        StoreFile.Discard(path);
        StoreFile.Discard(path + HitsEnd);
        _checkpoints.Remove(id);
    }

    private void DiscardUnused()
    {
        var used = new HashSet<StoreId>();
        foreach (StoredCheckpoint checkpoint in _checkpoints.Values)
        {
            for (StoreId at = checkpoint.Header.Parent; at != StoreId.None && used.Add(at);)
            {
                at = _segments.TryGetValue(at, out (StoreId Parent, long Bytes) segment) ? segment.Parent : StoreId.None;
            }
        }
        foreach (StoreId id in _segments.Keys.Where(id => !used.Contains(id)).ToArray())
        {
            StoreFile.Discard(PathOf(StoreFileKind.Segment, id));
            _segments.Remove(id);
        }
    }

    private void Forget()
    {
        _checkpoints.Clear();
        _segments.Clear();
    }

    private void List(string file)
    {
        if (!IsStored(file, out StoreFileKind kind, out StoreId id))
        {
            return;
        }
        try
        {
            if (StoreFile.ReadHeader(file) is not { } header || header.Id != id || header.Kind != kind)
            {
                Quarantine(kind, id);
                return;
            }
            Add(header, StoreFile.HeaderBytes + header.BodyBytes, File.GetLastWriteTimeUtc(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Gone meanwhile, or not ours to read: as if it were not there.
        }
    }

    private int Hits(StoreId id)
    {
        string path = PathOf(StoreFileKind.Checkpoint, id) + HitsEnd;
        try
        {
            return File.Exists(path) && int.TryParse(File.ReadAllText(path), NumberStyles.None, CultureInfo.InvariantCulture, out int hits) ? hits : 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
