using Fathom.Checkpoints;
using Fathom.Model;

namespace Fathom.Tests.Checkpoints;

/// <summary>Writes an official checkpoint's tensors under transformers' names, the experts stacked, gate over up.</summary>
internal static class TransformersCheckpoint
{
    public static void Write(Checkpoint source, ModelConfig config, string folder, bool olderIndexer = false)
    {
        var parts = new SortedDictionary<string, List<(int Expert, int Row, TensorEntry Entry)>>(StringComparer.Ordinal);
        foreach (ExpectedWeight weight in ExpectedWeights.Of(config, withMtp: false))
        {
            IReadOnlyList<WeightPlace> places = WeightNames.Places(weight, WeightSpelling.Transformers, config.LayerCount);
            WeightPlace place = places[olderIndexer && weight.Key.Part == WeightPart.IndexHeadWeights ? 1 : 0];
            Add(place.Name, place, source.Get(weight.Name));
            if (source.TryGet(weight.ScaleName, out TensorEntry? scale))
            {
                Add(place.ScaleName, place, scale);
            }
        }
        TensorToWrite[] tensors = [.. parts.Select(pair => Announce(pair.Key, pair.Value, config))];
        using CheckpointWriter writer = CheckpointWriter.Create(folder, tensors, shardBytesMax: 300_000);
        foreach ((string name, List<(int Expert, int Row, TensorEntry Entry)> list) in parts)
        {
            foreach ((_, _, TensorEntry entry) in list.OrderBy(part => part.Expert).ThenBy(part => part.Row))
            {
                writer.Write(name, entry.Bytes);
            }
        }
        writer.Complete();

        void Add(string name, WeightPlace place, TensorEntry entry)
        {
            if (!parts.TryGetValue(name, out List<(int Expert, int Row, TensorEntry Entry)>? list))
            {
                parts[name] = list = [];
            }
            list.Add((place.Expert, place.FirstRow, entry));
        }
    }

    private static TensorToWrite Announce(string name, List<(int Expert, int Row, TensorEntry Entry)> parts, ModelConfig config)
    {
        TensorEntry first = parts[0].Entry;
        return parts[0].Expert < 0
            ? new TensorToWrite(name, first.DType, first.Shape)
            : new TensorToWrite(name, first.DType, [config.ExpertCount, parts.Count / config.ExpertCount * first.Shape[0], first.Shape[1]]);
    }
}
