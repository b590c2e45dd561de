using System.Text.Json;

namespace Fathom.Tests.Reference;

/// <summary>Numbers with a shape, row-major; a linear's shape is (out, in).</summary>
internal sealed record ReferenceTensor(int[] Shape, double[] Values)
{
    public int Columns => Shape[^1];

    public double[] Row(int row) => Values[(row * Columns)..((row + 1) * Columns)];
}

/// <summary>A model's weights by their released names, as double precision numbers.</summary>
internal sealed class ReferenceTensors
{
    private readonly Dictionary<string, ReferenceTensor> _tensors = [];

    private ReferenceTensors()
    {
    }

    public ReferenceTensor this[string name] =>
        _tensors.TryGetValue(name, out ReferenceTensor? tensor) ? tensor : throw new KeyNotFoundException($"The model has no tensor {name}.");

    public IEnumerable<string> Names => _tensors.Keys;

    public bool Contains(string name) => _tensors.ContainsKey(name);

    /// <summary>The weights of a model's folder: one file, or shards with an index.</summary>
    public static ReferenceTensors Load(string folder)
    {
        ReferenceTensors result = new();
        foreach (string path in Shards(folder))
        {
            GoldenFile file = GoldenFile.Open(path);
            foreach (string name in file.Names)
            {
                if (!name.EndsWith(".scale", StringComparison.Ordinal)) result._tensors.Add(name, file.Weight(name));
            }
        }

        return result;
    }

    public static ReferenceTensors From(IReadOnlyDictionary<string, WeightArray> weights) => From(weights.Select(item =>
        KeyValuePair.Create(item.Key, new ReferenceTensor(item.Value.Shape, Array.ConvertAll(item.Value.Values, value => (double)value)))));

    public static ReferenceTensors From(IEnumerable<KeyValuePair<string, ReferenceTensor>> tensors)
    {
        ReferenceTensors result = new();
        foreach ((string name, ReferenceTensor tensor) in tensors) result._tensors.Add(name, tensor);
        return result;
    }

    // A weight and its scale are taken from one shard: the released index keeps them together, and so do the goldens.
    private static IEnumerable<string> Shards(string folder)
    {
        string index = Path.Combine(folder, "model.safetensors.index.json");
        if (!File.Exists(index)) return [Path.Combine(folder, "model.safetensors")];
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(index));
        return [.. json.RootElement.GetProperty("weight_map").EnumerateObject()
            .Select(item => Path.Combine(folder, item.Value.ToString())).Distinct()];
    }
}
