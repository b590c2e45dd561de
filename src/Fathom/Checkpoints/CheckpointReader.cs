using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Checkpoints;

/// <summary>A weight as a checkpoint holds it: values, and scales where the values are FP8 or FP4.</summary>
/// <param name="Values">(rows, columns) as stored; packed FP4 counts bytes in its columns</param>
/// <param name="Scales">E8M0, one per block; none for BF16, F32 and ids</param>
public readonly record struct StoredWeight(Tensor Values, Tensor Scales);

/// <summary>
/// Finds the weights of a config in a checkpoint of either spelling and checks each against what the config expects. Owns nothing: the
/// checkpoint must outlive it. May be used from any thread.
/// </summary>
public sealed class CheckpointReader
{
    private readonly Checkpoint _checkpoint;
    private readonly int _layerCount;

    private CheckpointReader(Checkpoint checkpoint, WeightSpelling spelling, ModelConfig config)
    {
        _checkpoint = checkpoint;
        Spelling = spelling;
        _layerCount = config.LayerCount;
        Weights = FindAll(config);
        UnknownNames = FindUnknown();
    }

    /// <summary>How the checkpoint names its tensors.</summary>
    public WeightSpelling Spelling { get; }

    /// <summary>The weights that this checkpoint must have, in the order in which a token meets them.</summary>
    public IReadOnlyList<ExpectedWeight> Weights { get; }

    /// <summary>Tensors that belong to no weight of the config, sorted; show them. They may be draft stages or another modality.</summary>
    public IReadOnlyList<string> UnknownNames { get; }

    /// <summary>
    /// Detects the spelling and checks that every weight is there in a shape and format that the config allows, without reading data.
    /// </summary>
    /// <param name="checkpoint">an open checkpoint</param> <param name="config">a validated config</param>
    /// <exception cref="CheckpointException">a weight is missing or contradicts the config; the message names the first</exception>
    public static CheckpointReader Open(Checkpoint checkpoint, ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        ArgumentNullException.ThrowIfNull(config);
        WeightSpelling spelling = WeightNames.Detect(checkpoint.Contains) ?? throw new CheckpointException(
            $"{checkpoint.Path}: expected embed.weight or model.embed_tokens.weight, found neither among {checkpoint.Names.Count} tensors. " +
            "Is this a DeepSeek-V4 checkpoint?");
        return new CheckpointReader(checkpoint, spelling, config);
    }

    /// <summary>The weight as stored.</summary>
    /// <exception cref="CheckpointException">it is missing, or its shape or format contradicts the config</exception>
    public StoredWeight Read(ExpectedWeight weight)
    {
        ArgumentNullException.ThrowIfNull(weight);
        IReadOnlyList<WeightPlace> places = WeightNames.Places(weight, Spelling, _layerCount);
        foreach (WeightPlace place in places)
        {
            if (_checkpoint.TryGet(place.Name, out TensorEntry? entry))
            {
                return place.Expert < 0 ? ReadAlone(weight, place, entry) : ReadStacked(weight, place, entry);
            }
        }
        throw new CheckpointException(
            $"{(places.Count > 0 ? places[0].Name : weight.Name)}: expected {Expectation(weight)}, found no such tensor in {_checkpoint.Path}. " +
            "Does config.json belong to this checkpoint?");
    }

    private StoredWeight ReadAlone(ExpectedWeight weight, WeightPlace place, TensorEntry entry)
    {
        CheckType(weight, entry);
        if (!entry.Shape.SequenceEqual(weight.StoredShape(entry.DType)))
        {
            throw Wrong(entry, Expectation(weight));
        }
        if (!IsQuantized(entry.DType))
        {
            return new StoredWeight(entry.View, default);
        }
        (int rows, int columns) = weight.ScaleShape(entry.DType);
        TensorEntry scales = Scales(place, entry, [rows, columns]);
        return new StoredWeight(entry.View, scales.View);
    }

    // A stack (E, rows of all its weights, columns); this weight is a run of rows within its expert's plane.
    private StoredWeight ReadStacked(ExpectedWeight weight, WeightPlace place, TensorEntry entry)
    {
        CheckType(weight, entry);
        long[] one = weight.StoredShape(entry.DType);
        int parts = weight.Key.Part == WeightPart.ExpertDown ? 1 : 2;
        if (entry.Shape.Count != 3 || entry.Shape[0] <= place.Expert || entry.Shape[1] != parts * one[0] || entry.Shape[2] != one[1])
        {
            throw Wrong(entry, $"a stack of ({parts * one[0]}, {one[1]}) per expert, at least {place.Expert + 1} of them");
        }
        Tensor values = Rows(entry, place.Expert, place.FirstRow, weight.Rows);
        if (!IsQuantized(entry.DType))
        {
            return new StoredWeight(values, default);
        }
        (int rows, int columns) = weight.ScaleShape(entry.DType);
        if (entry.DType == DType.Fp8E4M3 && parts > 1 && weight.Rows % ExpectedWeight.Fp8Block != 0)
        {
            throw Wrong(entry, $"gate and up of whole blocks of {ExpectedWeight.Fp8Block} rows, since one block would scale both");
        }
        TensorEntry scales = Scales(place, entry, [entry.Shape[0], parts * rows, columns]);
        return new StoredWeight(values, Rows(scales, place.Expert, place.FirstRow == 0 ? 0 : rows, rows));
    }

    private TensorEntry Scales(WeightPlace place, TensorEntry values, long[] shape)
    {
        if (!_checkpoint.TryGet(place.ScaleName, out TensorEntry? scales))
        {
            throw new CheckpointException(
                $"{place.ScaleName}: expected the scales of {values}, found no such tensor in {_checkpoint.Path}. " +
                "Without them the values mean nothing; download the checkpoint again.");
        }
        return scales.DType == DType.Ue8m0 && scales.Shape.SequenceEqual(shape)
            ? scales
            : throw Wrong(scales, $"F8_E8M0 ({string.Join(", ", shape)})");
    }

    private static Tensor Rows(TensorEntry entry, int plane, int firstRow, int rows)
    {
        Tensor stack = entry.View;
        long offset = (((long)plane * stack.Rows) + firstRow) * stack.Columns * stack.Type.Size();
        return new Tensor(stack.Storage!, stack.Offset + offset, stack.Type, 1, rows, stack.Columns); // a view of a file has a storage
    }

    private static void CheckType(ExpectedWeight weight, TensorEntry entry)
    {
        bool fits = entry.DType switch
        {
            DType.F32 or DType.Bf16 => weight.Role != WeightRole.Ids,
            DType.Fp8E4M3 => weight.IsQuantizable,
            DType.Fp4E2M1Pair => weight.Role == WeightRole.Expert && weight.Columns % ExpectedWeight.Fp4Block == 0,
            DType.I64 or DType.I32 => weight.Role == WeightRole.Ids,
            _ => false,
        };
        if (!fits)
        {
            throw Wrong(entry, Expectation(weight));
        }
    }

    private static bool IsQuantized(DType type) => type is DType.Fp8E4M3 or DType.Fp4E2M1Pair;

    private static string Expectation(ExpectedWeight weight)
    {
        string formats = weight.Role switch
        {
            WeightRole.Linear => "F8_E4M3, BF16 or F32",
            WeightRole.Expert => "packed FP4, F8_E4M3, BF16 or F32",
            WeightRole.Ids => "I64 or I32",
            _ => "BF16 or F32",
        };
        return $"{formats} ({(weight.IsVector ? "" : $"{weight.Rows}, ")}{weight.Columns})";
    }

    private static CheckpointException Wrong(TensorEntry entry, string expected) => new(
        $"{entry.Name}: expected {expected}, found {entry.Format} ({string.Join(", ", entry.Shape)}) in {entry.File}. " +
        "Does config.json belong to this checkpoint?");

    // One after the other: a config that asks for millions of weights is refused at the first that isn't there, before they are listed.
    private List<ExpectedWeight> FindAll(ModelConfig config)
    {
        var weights = new List<ExpectedWeight>();
        // transformers drops MTP blocks when it saves, so their absence there is no fault.
        foreach (ExpectedWeight weight in ExpectedWeights.Of(config, withMtp: Spelling == WeightSpelling.Official))
        {
            Read(weight);
            weights.Add(weight);
        }
        return weights;
    }

    private List<string> FindUnknown()
    {
        var known = new HashSet<string>(StringComparer.Ordinal);
        foreach (ExpectedWeight weight in Weights)
        {
            foreach (WeightPlace place in WeightNames.Places(weight, Spelling, _layerCount))
            {
                known.Add(place.Name);
                if (weight.IsQuantizable)
                {
                    known.Add(place.ScaleName);
                }
            }
        }
        return [.. _checkpoint.Names.Where(name => !known.Contains(name)).Order(StringComparer.Ordinal)];
    }
}
