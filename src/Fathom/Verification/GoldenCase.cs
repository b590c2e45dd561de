using System.Text.Json;
using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Verification;

/// <summary>A short prompt of a case and what must follow it.</summary>
/// <param name="Name">prefix of its tensors: "short5"</param>
/// <param name="Prompt">token ids</param>
/// <param name="Greedy">token ids</param>
public sealed record ShortPrompt(string Name, IReadOnlyList<int> Prompt, IReadOnlyList<int> Greedy);

/// <summary>A golden case: a prompt, what the reference chose, and the tensors it computed on the way.</summary>
public sealed class GoldenCase : IDisposable
{
    private readonly Safetensors _tensors;

    private GoldenCase(Safetensors tensors) => _tensors = tensors;

    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>Token ids of the prompt.</summary>
    public required IReadOnlyList<int> Prompt { get; init; }

    /// <summary>What the reference chose after it, one for each decode step.</summary>
    public required IReadOnlyList<int> Greedy { get; init; }

    /// <summary>Cache that the reference ran with.</summary>
    public required CacheFormat Cache { get; init; }

    /// <summary>Largest mean error of the logits, where the case sets its own tolerance, else null.</summary>
    public required double? LogitsMean { get; init; }

    /// <summary>Largest error of the logits, where the case sets its own tolerance, else null.</summary>
    public required double? LogitsMax { get; init; }

    /// <summary>Its short prompts.</summary>
    public required IReadOnlyList<ShortPrompt> ShortPrompts { get; init; }

    /// <summary>Names of its tensors.</summary>
    public IEnumerable<string> TensorNames => _tensors.Names;

    /// <summary>Reads case.json and case.safetensors of a folder.</summary>
    /// <exception cref="CheckpointException">one is missing or malformed</exception>
    public static GoldenCase Open(string folder)
    {
        string path = Path.Combine(folder, "case.json");
        if (!File.Exists(path))
        {
            throw new CheckpointException($"{path}: expected a golden case, found no such file. Give a folder that holds case.json and case.safetensors.");
        }
        Safetensors tensors = Safetensors.Open(Path.Combine(folder, "case.safetensors"));
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            return Read(document.RootElement, tensors);
        }
        catch (Exception problem) when (problem is IOException or JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            tensors.Dispose();
            throw new CheckpointException($"{path}: expected a golden case with prompt_ids and greedy_ids, found: {problem.Message}", problem);
        }
    }

    /// <summary>Whether the case has a tensor.</summary>
    public bool Has(string name) => _tensors.Contains(name);

    /// <summary>A tensor as rows of singles: leading dimensions are rows, the last one columns. Integers are converted.</summary>
    public GoldenRows Rows(string name)
    {
        if (!_tensors.TryGet(name, out TensorEntry? entry))
        {
            throw new CheckpointException($"{_tensors.Path}: expected a tensor {name}, found none.");
        }
        int columns = entry.Shape.Count == 0 ? 1 : (int)entry.Shape[^1];
        var values = new float[entry.View.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = entry.DType switch
            {
                DType.F32 => BitConverter.ToSingle(entry.Bytes[(4 * i)..]),
                DType.I32 => BitConverter.ToInt32(entry.Bytes[(4 * i)..]),
                DType.I64 => BitConverter.ToInt64(entry.Bytes[(8 * i)..]),
                _ => throw new CheckpointException($"{_tensors.Path}: expected F32, I32 or I64 for {name}, found {entry.Format}."),
            };
        }
        return new GoldenRows(values, columns, [.. entry.Shape.Select(size => (int)size)]);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _tensors.Dispose();

    private static GoldenCase Read(JsonElement json, Safetensors tensors)
    {
        JsonElement tolerance = json.TryGetProperty("tolerance", out JsonElement given) ? given : default;
        double? Limit(string name) =>
            tolerance.ValueKind == JsonValueKind.Object && tolerance.TryGetProperty(name, out JsonElement limit) ? limit.GetDouble() : null;
        if (tolerance.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null) && (Limit("logits_mean") ?? Limit("logits_max")) is null)
        {
            throw new FormatException($"tolerance: expected an object with logits_mean, logits_max or both, found {tolerance.GetRawText()}.");
        }
        return new GoldenCase(tensors)
        {
            Name = json.TryGetProperty("name", out JsonElement name) ? name.GetString() ?? "" : "",
            Prompt = Ids(json.GetProperty("prompt_ids")),
            Greedy = Ids(json.GetProperty("greedy_ids")),
            Cache = json.TryGetProperty("cache", out JsonElement cache) ? ReadCache(cache) : CacheFormat.F32,
            LogitsMean = Limit("logits_mean"),
            LogitsMax = Limit("logits_max"),
            ShortPrompts = json.TryGetProperty("short_prompts", out JsonElement shorts)
                ? [.. shorts.EnumerateArray().Select(item => new ShortPrompt(
                    $"short{item.GetProperty("len").GetInt32()}", Ids(item.GetProperty("prompt_ids")), Ids(item.GetProperty("greedy_ids"))))]
                : [],
        };
    }

    private static CacheFormat ReadCache(JsonElement cache) => cache.GetString() switch
    {
        "mixed" => CacheFormat.Mixed,
        "f32" or "F32" or null => CacheFormat.F32,
        string other => throw new FormatException($"cache: expected mixed or f32, found \"{other}\"."),
    };

    private static int[] Ids(JsonElement array) => [.. array.EnumerateArray().Select(id => id.GetInt32())];
}

/// <summary>A golden tensor.</summary>
/// <param name="Values">row-major</param>
/// <param name="Columns">size of the last dimension</param>
/// <param name="Shape">all dimensions</param>
public sealed record GoldenRows(float[] Values, int Columns, IReadOnlyList<int> Shape)
{
    /// <summary>Number of rows.</summary>
    public int Count => Columns == 0 ? 0 : Values.Length / Columns;

    /// <summary>One row.</summary>
    public ReadOnlySpan<float> this[int row] => Values.AsSpan(row * Columns, Columns);
}
