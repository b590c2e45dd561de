using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;

namespace Fathom.Cache;

/// <summary>A named checkpoint, which eviction leaves alone.</summary>
/// <param name="Name">given by whoever pinned it</param> <param name="Tokens">of the text</param> <param name="Created">when it was pinned, UTC</param>
/// <param name="Sources">what was read, for people</param>
public sealed record StorePin(string Name, int Tokens, DateTime Created, IReadOnlyList<string> Sources)
{
    /// <summary>The checkpoint's digits.</summary>
    public string Checkpoint { get; init; } = "";

    /// <summary>The end of the text whose tokens depend on what follows; it is to be encoded together with that.</summary>
    public string Rest { get; init; } = "";

    internal StoreId Id => StoreId.TryParse(Checkpoint, out StoreId id) ? id : StoreId.None;
}

/// <summary>The pins of one namespace: a small JSON file for each, written aside and renamed.</summary>
internal sealed partial class StorePins(string folder)
{
    private const string End = ".pin.json";

    /// <summary>Whether a name can be that of a pin: letters, digits, dot, dash and underscore, 64 at most, no dot in front.</summary>
    public static bool IsName(string name) => NamePattern().IsMatch(name);

    /// <exception cref="ArgumentException">the name can't be that of a pin</exception>
    public static void RequireName(string name)
    {
        if (!IsName(name))
        {
            throw new ArgumentException($"Name of a pinned cache: expected 1 to 64 letters, digits, dots, dashes or underscores, no dot in front, found '{name}'.", nameof(name));
        }
    }

    /// <summary>The pin of a name, or null.</summary>
    public StorePin? Find(string name) => IsName(name) ? Read(PathOf(name)) : null;

    /// <summary>Every pin that can be read, by name.</summary>
    public IEnumerable<StorePin> All() => !Directory.Exists(folder) ? [] : Directory.EnumerateFiles(folder, "*" + End).Order(StringComparer.Ordinal).Select(Read).OfType<StorePin>();

    /// <summary>Writes a pin; an old one of the name is replaced.</summary>
    /// <exception cref="IOException">the folder can't be written</exception>
    public void Write(StorePin pin)
    {
        string path = PathOf(pin.Name), partial = $"{path}.{Guid.NewGuid():N}{StoreFile.Partial}";
        File.WriteAllBytes(partial, JsonSerializer.SerializeToUtf8Bytes(pin, StorePinJson.Default.StorePin));
        File.Move(partial, path, overwrite: true);
    }

    /// <summary>Removes a pin; returns whether there was one.</summary>
    public bool Remove(string name)
    {
        bool isThere = IsName(name) && File.Exists(PathOf(name));
        if (isThere)
        {
            StoreFile.Discard(PathOf(name));
        }
        return isThere;
    }

    private string PathOf(string name) => Path.Combine(folder, name + End);

    private static StorePin? Read(string path)
    {
        try
        {
            return File.Exists(path) ? JsonSerializer.Deserialize(File.ReadAllBytes(path), StorePinJson.Default.StorePin) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    [GeneratedRegex("^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$", RegexOptions.CultureInvariant)]
    private static partial Regex NamePattern();
}

/// <summary>Makes the pins' code for JSON at compile time.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(StorePin))]
internal sealed partial class StorePinJson : JsonSerializerContext;
