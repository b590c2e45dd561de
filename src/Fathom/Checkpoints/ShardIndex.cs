using System.Text.Json;

namespace Fathom.Checkpoints;

/// <summary>model.safetensors.index.json: which shard holds which tensor.</summary>
internal static class ShardIndex
{
    /// <summary>Name of the index in a checkpoint's folder.</summary>
    public const string FileName = "model.safetensors.index.json";

    private const int LengthMax = 100_000_000;

    /// <summary>Reads tensor name → shard file name, as written.</summary>
    /// <exception cref="CheckpointException">the file is missing or damaged, or names a file outside its folder</exception>
    public static Dictionary<string, string> Read(string path)
    {
        using MappedFile file = MappedFile.Open(path);
        if (file.Length > LengthMax)
        {
            throw new CheckpointException($"{path}: expected at most {LengthMax} bytes of JSON, found {file.Length}. Is this an index?");
        }
        var shards = new Dictionary<string, string>(StringComparer.Ordinal);
        bool found = false;
        try
        {
            var reader = new Utf8JsonReader(file.Bytes(0, (int)file.Length));
            Expect(ref reader, JsonTokenType.StartObject, path, "the index");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                // "metadata" holds total_size, which published files don't agree on how to count.
                if (!reader.ValueTextEquals("weight_map"u8))
                {
                    reader.Skip();
                    continue;
                }
                if (found)
                {
                    throw Wrong(path, "weight_map", "one", "two");
                }
                found = true;
                ReadMap(ref reader, path, shards);
            }
            reader.Read(); // throws if anything but white space follows
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new CheckpointException($"{path}: expected JSON, found text that isn't: {e.Message} Download the file again.", e);
        }
        if (!found)
        {
            throw Wrong(path, "the index", "a \"weight_map\" from tensor to file", "none");
        }
        return shards;
    }

    private static void ReadMap(ref Utf8JsonReader reader, string path, Dictionary<string, string> shards)
    {
        Expect(ref reader, JsonTokenType.StartObject, path, "weight_map");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!; // a property name is never null
            Expect(ref reader, JsonTokenType.String, path, name);
            string shard = reader.GetString()!; // the token is a string
            if (shard.Length == 0 || shard is "." or ".." || shard.AsSpan().ContainsAny("/\\:\0"))
            {
                throw Wrong(path, name, "a file name in the same folder", $"\"{shard}\"");
            }
            if (!shards.TryAdd(name, shard))
            {
                throw Wrong(path, name, "one shard", $"two: {shards[name]} and {shard}");
            }
        }
    }

    private static void Expect(ref Utf8JsonReader reader, JsonTokenType token, string path, string what)
    {
        if (!reader.Read() || reader.TokenType != token)
        {
            throw Wrong(path, what, token == JsonTokenType.String ? "a JSON string" : "a JSON object", $"{reader.TokenType}");
        }
    }

    private static CheckpointException Wrong(string path, string what, string expected, string found) =>
        new($"{what}: expected {expected}, found {found} in {path}. Download the index again.");
}
