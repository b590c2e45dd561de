using System.Text.Json;

namespace Fathom.Cache;

/// <summary>A checkpoint as a list shows it.</summary>
/// <param name="Id">its digits</param> <param name="Tokens">up to it</param> <param name="Bytes">of its own file</param> <param name="LastUsed">UTC</param> <param name="Hits">times found</param>
public sealed record StoreEntry(string Id, int Tokens, long Bytes, DateTime LastUsed, int Hits);

/// <summary>What the folder of one namespace holds.</summary>
/// <param name="Folder">its name</param> <param name="Model">whose caches, for people</param> <param name="Bytes">of all files</param> <param name="Segments">of 2,048 tokens</param>
/// <param name="Pins">named texts</param> <param name="Checkpoints">places at which a sequence can go on</param>
public sealed record StoreSummary(
    string Folder, string Model, long Bytes, int Segments, IReadOnlyList<StorePin> Pins, IReadOnlyList<StoreEntry> Checkpoints);

/// <summary>What a check of a namespace found.</summary>
/// <param name="Files">files read</param> <param name="Damaged">paths of those that are not what was written; they have been put aside</param>
public sealed record StoreCheck(int Files, IReadOnlyList<string> Damaged);

/// <summary>Looks after the stores of a folder without a model: lists, drops and checks. One thread at a time.</summary>
/// <param name="root">folder of all namespaces</param>
public sealed class StoreCatalog(string root)
{
    /// <summary>Every namespace, by folder.</summary>
    public IReadOnlyList<StoreSummary> List()
    {
        var found = new List<StoreSummary>();
        foreach (string path in Folders())
        {
            StoreFolder folder = Open(path);
            StoreEntry[] checkpoints = [.. folder.Checkpoints.Values.OrderByDescending(c => c.LastUsed)
                .Select(c => new StoreEntry(c.Header.Id.ToString(), c.Header.End, c.Bytes, c.LastUsed, c.Hits))];
            found.Add(new StoreSummary(Path.GetFileName(path), Model(path), folder.Bytes, folder.SegmentCount, [.. folder.Pins.All()], checkpoints));
        }
        return found;
    }

    /// <summary>Names a checkpoint, so that it stays.</summary>
    /// <param name="name">of the pin</param> <param name="id">its digits, or the first of them</param>
    /// <returns>whether exactly one checkpoint begins so</returns>
    /// <exception cref="ArgumentException">the name has characters that a pin's can't have</exception>
    /// <exception cref="IOException">the folder can't be written</exception>
    public bool Pin(string name, string id)
    {
        StorePins.RequireName(name);
        (StoreFolder Folder, StoredCheckpoint Checkpoint)[] matches = [.. Matches(id)];
        if (matches.Length != 1)
        {
            return false;
        }
        (StoreFolder folder, StoredCheckpoint checkpoint) = matches[0];
        folder.Pins.Write(new StorePin(name, checkpoint.Header.End, DateTime.UtcNow, []) { Checkpoint = checkpoint.Header.Id.ToString() });
        return true;
    }

    /// <summary>Removes a pinned text, by its name, or a checkpoint, by its digits, and what nothing else needs.</summary>
    /// <param name="nameOrId">of one</param>
    /// <returns>how many were removed</returns>
    public int Drop(string nameOrId)
    {
        ArgumentNullException.ThrowIfNull(nameOrId);
        int dropped = 0;
        foreach (string path in Folders())
        {
            StoreFolder folder = Open(path);
            if (folder.Pins.Find(nameOrId) is { } pin)
            {
                folder.Pins.Remove(nameOrId);
                folder.Drop(pin.Id);
                dropped++;
            }
        }
        if (dropped == 0)
        {
            foreach ((StoreFolder folder, StoredCheckpoint checkpoint) in Matches(nameOrId).ToArray())
            {
                folder.Drop(checkpoint.Header.Id);
                dropped++;
            }
        }
        return dropped;
    }

    /// <summary>Reads every file and compares checksums; those that are damaged are put aside.</summary>
    /// <param name="key">to decipher with, or empty</param> <param name="cancellation">stops between files</param>
    public StoreCheck Check(ReadOnlySpan<byte> key, CancellationToken cancellation)
    {
        int files = 0;
        var damaged = new List<string>();
        foreach (string path in Folders())
        {
            foreach (string file in Directory.EnumerateFiles(path).Order(StringComparer.Ordinal))
            {
                cancellation.ThrowIfCancellationRequested();
                if (!StoreFolder.IsStored(file, out StoreFileKind kind, out StoreId id))
                {
                    continue;
                }
                files++;
                if (StoreFile.Read(file, id, key) is null)
                {
                    damaged.Add(file);
                    new StoreFolder(path).Quarantine(kind, id);
                }
            }
        }
        return new StoreCheck(files, damaged);
    }

    private IEnumerable<(StoreFolder Folder, StoredCheckpoint Checkpoint)> Matches(string id) =>
        from path in Folders()
        let folder = Open(path)
        from checkpoint in folder.Checkpoints.Values
        where id.Length > 0 && checkpoint.Header.Id.ToString().StartsWith(id, StringComparison.OrdinalIgnoreCase)
        select (folder, checkpoint);

    private IEnumerable<string> Folders() => !Directory.Exists(root) ? []
        : Directory.EnumerateDirectories(root).Where(path => StoreId.TryParse(Path.GetFileName(path.AsSpan()), out _)).Order(StringComparer.Ordinal);

    private static StoreFolder Open(string path)
    {
        var folder = new StoreFolder(path);
        folder.Refresh();
        return folder;
    }

    private static string Model(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(Path.Combine(path, PrefixStore.DescriptionName)), StoreDescriptionJson.Default.StoreDescription)?.Model ?? "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return "";
        }
    }
}
