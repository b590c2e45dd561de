using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Fathom.Checkpoints;

/// <summary>
/// The tensors of a model: one safetensors file or several, with an index or without, opened and checked together. Owns the mappings;
/// entries are views of them. May be read from any thread, disposed by one.
/// </summary>
public sealed partial class Checkpoint : IDisposable
{
    /// <summary>Name of the file where a checkpoint has only one.</summary>
    public const string SingleFileName = "model.safetensors";

    private readonly Dictionary<string, Safetensors> _owners = new(StringComparer.Ordinal);
    private readonly List<Safetensors> _files = [];

    private Checkpoint(string path) => Path = path;

    /// <summary>The folder or file as it was given.</summary>
    public string Path { get; }

    /// <summary>Names of all tensors, in no particular order.</summary>
    public IReadOnlyCollection<string> Names => _owners.Keys;

    /// <summary>The files, in the order in which they were opened.</summary>
    public IReadOnlyList<Safetensors> Files => _files;

    /// <summary>
    /// Opens a folder (model.safetensors, an index with its shards, or numbered shards alone), one .safetensors file, or an index.
    /// Headers are checked completely; the data isn't read.
    /// </summary>
    /// <exception cref="CheckpointException">a file is missing or damaged, or the files contradict each other or their index</exception>
    public static Checkpoint Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var checkpoint = new Checkpoint(path);
        try
        {
            if (path.EndsWith(".json", StringComparison.Ordinal))
            {
                checkpoint.AddIndexed(path);
            }
            else if (Directory.Exists(path))
            {
                checkpoint.AddFolder();
            }
            else
            {
                checkpoint.Add(path);
            }
            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>Whether there is a tensor of this name, in whatever format.</summary>
    public bool Contains(string name) => _owners.ContainsKey(name);

    /// <summary>The tensor of this name, if there is one.</summary>
    /// <exception cref="CheckpointException">the tensor is there but in a format we don't read</exception>
    public bool TryGet(string name, [NotNullWhen(true)] out TensorEntry? entry)
    {
        entry = null;
        return _owners.TryGetValue(name, out Safetensors? file) && file.TryGet(name, Contains, out entry);
    }

    /// <summary>The tensor of this name.</summary>
    /// <exception cref="CheckpointException">there is none, or it is in a format we don't read</exception>
    public TensorEntry Get(string name) => TryGet(name, out TensorEntry? entry) ? entry : throw new CheckpointException(
        $"{name}: expected a tensor of this name, found {_owners.Count} others in {Path}. Does the checkpoint belong to this config?");

    /// <summary>A tensor's format by its name in the header, and the bytes of its data; also of formats that we don't read.</summary>
    /// <exception cref="CheckpointException">there is no such tensor</exception>
    public (string Format, long Bytes) Stored(string name) => _owners.TryGetValue(name, out Safetensors? file)
        ? file.Stored(name)
        : throw new CheckpointException($"{name}: expected a tensor of this name, found {_owners.Count} others in {Path}.");

    /// <summary>Closes every file; entries and their tensors must not be used afterwards.</summary>
    public void Dispose()
    {
        foreach (Safetensors file in _files)
        {
            file.Dispose();
        }
    }

    private void AddFolder()
    {
        string single = System.IO.Path.Combine(Path, SingleFileName);
        string index = System.IO.Path.Combine(Path, ShardIndex.FileName);
        if (File.Exists(index))
        {
            AddIndexed(index);
            if (File.Exists(single) && !_files.Exists(file => System.IO.Path.GetFileName(file.Path) == SingleFileName))
            {
                throw new CheckpointException(
                    $"{Path}: expected {SingleFileName} or {ShardIndex.FileName}, found both, and the index doesn't name the single file. " +
                    "Remove the one that is out of date.");
            }
        }
        else if (File.Exists(single))
        {
            Add(single);
        }
        else
        {
            AddNumbered();
        }
    }

    private void AddIndexed(string index)
    {
        Dictionary<string, string> shards = ShardIndex.Read(index);
        string folder = System.IO.Path.GetDirectoryName(index) ?? "";
        foreach (string shard in shards.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            string file = System.IO.Path.Combine(folder, shard);
            if (!File.Exists(file))
            {
                throw new CheckpointException($"{file}: expected this shard, which {ShardIndex.FileName} names, found no such file. Download it.");
            }
            Add(file);
        }
        foreach ((string name, string shard) in shards)
        {
            if (!_owners.TryGetValue(name, out Safetensors? owner))
            {
                throw new CheckpointException(
                    $"{name}: expected in {shard} according to {index}, found in no shard. " +
                    "Index and shards are of different revisions; download both again.");
            }
            if (System.IO.Path.GetFileName(owner.Path) != shard)
            {
                throw new CheckpointException(
                    $"{name}: expected in {shard} according to {index}, found in {owner.Path}. " +
                    "Index and shards are of different revisions; download both again.");
            }
        }
        if (_owners.Count != shards.Count)
        {
            string extra = _owners.Keys.First(name => !shards.ContainsKey(name));
            throw new CheckpointException(
                $"{extra}: expected every tensor of the shards in {index}, found this one only in {_owners[extra].Path}. " +
                "Index and shards are of different revisions; download both again.");
        }
    }

    // Without an index a missing shard shows only in the numbers: "model-00002-of-00003.safetensors".
    private void AddNumbered()
    {
        string[] files = Directory.GetFiles(Path, "*.safetensors");
        Array.Sort(files, StringComparer.Ordinal);
        (string File, Match Number)[] shards = [.. files.Select(f => (f, ShardNumber().Match(System.IO.Path.GetFileName(f)))).Where(s => s.Item2.Success)];
        if (shards.Length == 0)
        {
            throw new CheckpointException(
                $"{Path}: expected {SingleFileName}, {ShardIndex.FileName} or numbered shards, " +
                $"found {(files.Length == 0 ? "none" : $"only {string.Join(", ", files.Select(System.IO.Path.GetFileName))}")}. Is this a model's folder?");
        }
        string total = shards[0].Number.Groups["total"].Value;
        string stem = shards[0].Number.Groups["stem"].Value;
        for (int i = 0; i < shards.Length; i++)
        {
            GroupCollection groups = shards[i].Number.Groups;
            if (groups["total"].Value != total || groups["stem"].Value != stem
                || groups["number"].Value != (i + 1).ToString(CultureInfo.InvariantCulture).PadLeft(total.Length, '0'))
            {
                throw new CheckpointException(
                    $"{Path}: expected shard {i + 1} of {stem}-…-of-{total}, found {System.IO.Path.GetFileName(shards[i].File)}. " +
                    "A shard is missing, or two sets of shards are mixed.");
            }
            Add(shards[i].File);
        }
        if (shards.Length.ToString(CultureInfo.InvariantCulture).PadLeft(total.Length, '0') != total)
        {
            throw new CheckpointException($"{Path}: expected {total} shards, found {shards.Length}. Download the missing ones.");
        }
    }

    private void Add(string path)
    {
        Safetensors file = Safetensors.Open(path);
        _files.Add(file);
        foreach (string name in file.Names)
        {
            if (!_owners.TryAdd(name, file))
            {
                throw new CheckpointException(
                    $"{name}: expected in one file, found in {_owners[name].Path} and {path}. Remove the file that doesn't belong to the model.");
            }
        }
    }

    [GeneratedRegex(@"^(?<stem>.+)-(?<number>\d{5,})-of-(?<total>\d{5,})\.safetensors$", RegexOptions.CultureInvariant)]
    private static partial Regex ShardNumber();
}
