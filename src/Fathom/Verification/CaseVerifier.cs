using System.Globalization;
using System.Runtime.InteropServices;
using Fathom.Checkpoints;
using Fathom.Devices;
using Fathom.Engine;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Verification;

/// <summary>Runs a golden case through a model and compares everything that the case recorded and the engine can tell.</summary>
public sealed class CaseVerifier
{
    private const double LogitsTolerance = 1e-3;
    private const double HiddenTolerance = 1e-3;
    private const double RouterWeightTolerance = 1e-3;

    // A rounding step turns a 1e-7 difference into a 6 % one for that value: only these bound the released cache end to end.
    private const double MixedLogitsMean = 1e-2;
    private const double MixedLogitsMax = 0.3;

    // A logit's 0.3 of a deviation of 3; asked for only to tell where logits that fail went astray.
    private const double LooseTolerance = 0.1;

    private readonly RecordingDevice _device;
    private readonly LanguageModel _model;
    private readonly GoldenCase _case;
    private readonly Batch _batch;
    private readonly int _chunk;
    private readonly bool _isLoose;
    private readonly List<float[]> _draftRows = [];
    private readonly HashSet<string> _compared = [];

    private CaseVerifier(RecordingDevice device, LanguageModel model, GoldenCase goldenCase, int chunk)
    {
        _device = device;
        _model = model;
        _case = goldenCase;
        _chunk = chunk;
        _batch = new Batch(chunk);
        _isLoose = goldenCase.Cache == CacheFormat.Mixed || goldenCase.LogitsMax is not null || goldenCase.LogitsMean is not null;
    }

    private int Layers => _model.Config.LayerCount;

    private double Inner(double tolerance) => _isLoose ? LooseTolerance : tolerance;

    /// <summary>Compares a model with a case. What the case doesn't record isn't compared.</summary>
    /// <param name="modelFolder">config.json and safetensors</param>
    /// <param name="caseFolder">case.json and case.safetensors</param>
    /// <param name="device">to run on</param>
    /// <param name="chunk">tokens of the prompt in one pass; the rest goes token by token</param>
    /// <param name="allowUnused">whether the checkpoint may have tensors that belong to no weight</param>
    /// <param name="note">is told a sentence about what the case records and nobody compared</param>
    /// <returns>one check per quantity, in the order in which they are computed</returns>
    /// <exception cref="CheckpointException">case or model is missing or malformed, or the case belongs to a model of another shape</exception>
    /// <exception cref="ModelConfigException">the config is missing or wrong</exception>
    public static IReadOnlyList<Check> Run(
        string modelFolder, string caseFolder, Device device, int chunk, bool allowUnused = false, Action<string>? note = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(chunk, 1);
        using GoldenCase goldenCase = GoldenCase.Open(caseFolder);
        CaseShape.CheckAgainst(goldenCase, ConfigReader.Read(Path.Combine(modelFolder, "config.json")).Config);
        using var recorder = new RecordingDevice(device);
        int rows = Math.Min(chunk, goldenCase.ShortPrompts.Select(prompt => prompt.Prompt.Count).Append(goldenCase.Prompt.Count).Max());
        var options = new LoadOptions { CacheFormat = goldenCase.Cache, MaxRows = rows, AllowUnusedTensors = allowUnused };
        using LanguageModel model = LanguageModel.Load(modelFolder, recorder, options);
        var verifier = new CaseVerifier(recorder, model, goldenCase, rows);
        List<Check> checks = verifier.Checks();
        string[] rest = [.. goldenCase.TensorNames.Where(name => !verifier._compared.Contains(name)).Order(StringComparer.Ordinal)];
        if (rest.Length > 0)
        {
            note?.Invoke($"Recorded in the case and not compared: {string.Join(", ", rest)}.");
        }
        return checks.Count > 0 ? checks : throw new CheckpointException($"{caseFolder}: expected something to compare, found none of the tensors of a golden case.");
    }

    private List<Check> Checks()
    {
        bool drafts = _case.Has("mtp.logits");
        if (drafts && !_model.Transformer.CanDraft)
        {
            throw new CheckpointException($"mtp.logits: expected a model with an MTP block, found none in {_model.Folder}. Does the case belong to this model?");
        }
        List<float[]> logits = Feed(_case.Prompt, _case.Greedy, drafts);
        List<Check> ends = [.. Logits("", logits, _case.Prompt.Count, _case.Greedy)];
        List<Check> checks = _isLoose ? [.. Rounding(), .. ends.All(check => check.Pass) ? [] : Inside()] : Inside();
        checks.AddRange(ends);
        if (drafts)
        {
            checks.Add(Rows("mtp.logits", _draftRows, _isLoose ? _case.LogitsMax ?? MixedLogitsMax : LogitsTolerance, relative: false));
        }
        _device.Enabled = false;
        foreach (ShortPrompt prompt in _case.ShortPrompts)
        {
            checks.AddRange(Logits(prompt.Name + ".", Feed(prompt.Prompt, prompt.Greedy, drafts: false), prompt.Prompt.Count, prompt.Greedy));
        }
        return checks;
    }

    // The prompt in chunks, then all given tokens but the last one by one. Returns the logits of every position.
    private List<float[]> Feed(IReadOnlyList<int> prompt, IReadOnlyList<int> greedy, bool drafts)
    {
        using SequenceCache sequence = _model.Transformer.NewSequence();
        int[] tokens = [.. prompt, .. greedy.Take(greedy.Count - 1)];
        var logits = new List<float[]>();
        for (int first = 0, count; first < tokens.Length; first += count)
        {
            count = first < prompt.Count ? Math.Min(_chunk, prompt.Count - first) : 1;
            _batch.Clear();
            _batch.Add(sequence, tokens.AsSpan(first, count), count);
            logits.AddRange(Download(drafts ? _model.Transformer.ForwardAndDraft(_batch) : _model.Transformer.Forward(_batch)));
            if (drafts)
            {
                _draftRows.AddRange(Download(_model.Transformer.DraftLogits));
            }
        }
        return logits;
    }

    private List<float[]> Download(Tensor rows)
    {
        var result = new List<float[]>(rows.Rows);
        for (int t = 0; t < rows.Rows; t++)
        {
            var row = new float[rows.Columns];
            _device.Download(rows.Row(t), MemoryMarshal.AsBytes(row.AsSpan()));
            result.Add(row);
        }
        return result;
    }

    // What the layers computed on the way, in their order. Index keys and queries aren't among it: without rounding they need no rotation.
    private List<Check> Inside()
    {
        var checks = new List<Check>();
        Picked("hidden_streams");
        Picked("attn_in");
        Picked("attn_in_all");
        if (!_isLoose)
        {
            checks.AddRange(Named("window_kv").Select(item => Rows(item.Name, _device.Rows(item.Name), HiddenTolerance, relative: true, item.Layer)));
            checks.AddRange(Named("compressed_kv").Select(item =>
                Rows(item.Name, _device.Rows(item.Name), HiddenTolerance, relative: true, item.Layer, _model.Config.CompressRatios[item.Layer])));
            checks.AddRange(Named("indexer_topk").Select(item => Sets(item.Name, item.Layer, item.Layer)));
        }
        Picked("attn_out");
        Picked("attn_out_all");
        Picked("ffn_in");
        if (_case.Has("router_idx") && !_isLoose)
        {
            checks.Add(Sets("router_idx", 0, Layers - 1));
        }
        if (_case.Has("router_idx") && _case.Has("router_w"))
        {
            checks.Add(RouterWeights());
        }
        Picked("ffn_out");
        if (_case.Has("mtp.main_streams_all"))
        {
            checks.Add(LastStreams("mtp.main_streams_all"));
        }
        return checks;

        void Picked(string name)
        {
            if (_case.Has(name) && (IsWhole(name) || _case.Has("hidden_pos")))
            {
                checks.Add(PickedRows(name));
            }
        }
    }

    private static bool IsWhole(string name) => name.EndsWith("_all", StringComparison.Ordinal);

    // (layers, positions, …): every layer at all positions, or at those that the case has chosen.
    private Check PickedRows(string name)
    {
        var comparison = new Comparison(name, Inner(HiddenTolerance));
        GoldenRows expected = Golden(name);
        int[] positions = IsWhole(name) ? [.. Enumerable.Range(0, expected.Shape[1])] : [.. Golden("hidden_pos").Values.Select(position => (int)position)];
        string recorded = IsWhole(name) ? name[..^"_all".Length] : name;
        int layers = expected.Shape[0];
        int width = expected.Values.Length / Math.Max(1, layers * positions.Length);
        for (int layer = 0; layer < layers; layer++)
        {
            for (int i = 0; i < positions.Length; i++)
            {
                ReadOnlySpan<float> row = expected.Values.AsSpan(((layer * positions.Length) + i) * width, width);
                // Streams 0 are the embedding's; streams l + 1 leave layer l.
                comparison.Add(Row(_device.Rows($"{recorded}.{layer}"), positions[i]), row, positions[i], layers > Layers ? layer - 1 : layer, relative: true);
            }
        }
        return comparison.Worst;
    }

    // (T, n_hc, d): the streams that leave the last layer, of the whole prompt.
    private Check LastStreams(string name)
    {
        var comparison = new Comparison(name, Inner(HiddenTolerance));
        GoldenRows expected = Golden(name);
        int rows = expected.Shape[0], width = expected.Values.Length / Math.Max(1, rows);
        for (int t = 0; t < rows; t++)
        {
            comparison.Add(Row(_device.Rows($"hidden_streams.{Layers}"), t), expected.Values.AsSpan(t * width, width), t, Layers - 1, relative: true);
        }
        return comparison.Worst;
    }

    private Check Sets(string name, int firstLayer, int lastLayer)
    {
        var comparison = new Comparison(name, 0);
        GoldenRows expected = Golden(name);
        int rows = expected.Count / (lastLayer - firstLayer + 1);
        for (int layer = firstLayer; layer <= lastLayer; layer++)
        {
            IReadOnlyList<float[]> found = _device.Rows(firstLayer == lastLayer && name.Contains('.', StringComparison.Ordinal) ? name : $"{name}.{layer}");
            for (int t = 0; t < rows; t++)
            {
                comparison.AddSet(Row(found, t), expected[((layer - firstLayer) * rows) + t].ToArray(), t, layer);
            }
        }
        return comparison.Worst;
    }

    // Expert by expert: the two lists may be in different orders. Where the sets differ there is nothing to compare; router_idx says so.
    private Check RouterWeights()
    {
        var comparison = new Comparison("router_w", Inner(RouterWeightTolerance));
        GoldenRows ids = Golden("router_idx"), weights = Golden("router_w");
        int rows = ids.Count / Layers;
        for (int row = 0; row < ids.Count; row++)
        {
            (int layer, int position) = (row / rows, row % rows);
            float[] found = Row(_device.Rows($"router_idx.{layer}"), position), foundWeights = Row(_device.Rows($"router_w.{layer}"), position);
            for (int i = 0; i < ids.Columns; i++)
            {
                int at = Array.IndexOf(found, ids[row][i]);
                if (at >= 0)
                {
                    comparison.Add(foundWeights.AsSpan(at, 1), weights[row].Slice(i, 1), position, layer, relative: true);
                }
            }
        }
        return comparison.Worst;
    }

    // A rounded cache bounds nothing inside the layers, but what goes into the rounding must come out bit for bit.
    private IEnumerable<Check> Rounding()
    {
        CacheLayout layout = _model.Transformer.Layout;
        foreach ((string kind, RowFormat format) in new[]
            { ("window_kv", layout.KeyFormat), ("compressed_kv", layout.KeyFormat), ("index_k", layout.IndexFormat), ("index_q", layout.IndexFormat) })
        {
            foreach ((string name, int layer) in Named(kind).Where(item => layout.Format == CacheFormat.Mixed && _case.Has($"{kind}_pre.{item.Layer}")))
            {
                yield return Rows(name, Rounded(Golden($"{kind}_pre.{layer}"), format), tolerance: 0, relative: false, layer);
            }
        }
    }

    private List<float[]> Rounded(GoldenRows rows, RowFormat format)
    {
        using Storage storage = _device.Allocate(rows.Values.Length * sizeof(float), MemoryPurpose.Activations);
        var tensor = new Tensor(storage, 0, DType.F32, 1, rows.Count, rows.Columns);
        _device.Upload(MemoryMarshal.AsBytes(rows.Values.AsSpan()), tensor);
        _device.RoundRows(tensor, format);
        return Download(tensor);
    }

    private IEnumerable<Check> Logits(string prefix, List<float[]> logits, int promptLength, IReadOnlyList<int> greedy)
    {
        string prefill = prefix + "prefill_logits", decode = prefix + "decode_logits";
        List<float[]> decoded = logits[(promptLength - 1)..];
        if (_isLoose)
        {
            foreach (Check check in LooseLogits(prefix, [(prefill, logits[..promptLength], 0), (decode, decoded, promptLength - 1)]))
            {
                yield return check;
            }
            yield break;
        }
        if (_case.Has(prefill))
        {
            yield return Rows(prefill, logits[..promptLength], LogitsTolerance, relative: false);
        }
        if (_case.Has(decode))
        {
            yield return Rows(decode, decoded, LogitsTolerance, relative: false, firstPosition: promptLength - 1);
        }
        if (greedy.Count > 0)
        {
            var ids = new Comparison(prefix + "greedy_ids", 0);
            for (int i = 0; i < greedy.Count; i++)
            {
                ids.AddSet([Array.IndexOf(decoded[i], decoded[i].Max())], [greedy[i]], promptLength - 1 + i, -1);
            }
            yield return ids.Worst;
        }
    }

    // Rounding may flip a choice and carry it on, so all logits together have a limit on their mean and one on their largest error.
    private IEnumerable<Check> LooseLogits(string prefix, IEnumerable<(string Name, List<float[]> Found, int Position)> parts)
    {
        bool isMixed = _case is { Cache: CacheFormat.Mixed, LogitsMax: null, LogitsMean: null };
        double? largest = isMixed ? MixedLogitsMax : _case.LogitsMax, mean = isMixed ? MixedLogitsMean : _case.LogitsMean;
        Comparison max = new(prefix + "logits_max", largest ?? 0), average = new(prefix + "logits_mean", mean ?? 0);
        var present = parts.Where(part => _case.Has(part.Name)).ToList();
        foreach ((string name, List<float[]> found, int position) in present)
        {
            GoldenRows expected = Golden(name);
            for (int t = 0; t < expected.Count; t++)
            {
                max.Add(Row(found, t), expected[t], position + t, -1, relative: false);
                average.Add(Row(found, t), expected[t], position + t, -1, relative: false);
            }
        }
        if (present.Count > 0 && largest is not null)
        {
            yield return max.Worst;
        }
        if (present.Count > 0 && mean is not null)
        {
            yield return average.Mean;
        }
    }

    /// <param name="step">tokens from one row to the next: more than one for compressed entries</param>
    private Check Rows(string name, IReadOnlyList<float[]> found, double tolerance, bool relative, int layer = -1, int step = 1, int firstPosition = 0)
    {
        var comparison = new Comparison(name, tolerance);
        GoldenRows expected = Golden(name);
        for (int t = 0; t < expected.Count; t++)
        {
            comparison.Add(Row(found, t), expected[t], firstPosition + (t * step), layer, relative);
        }
        return comparison.Worst;
    }

    private static float[] Row(IReadOnlyList<float[]> rows, int index) => index >= 0 && index < rows.Count ? rows[index] : [];

    private GoldenRows Golden(string name)
    {
        _compared.Add(name);
        return _case.Rows(name);
    }

    // The case's tensors of one kind, one for each layer that has it.
    private IEnumerable<(string Name, int Layer)> Named(string kind) => _case.TensorNames
        .Where(name => name.StartsWith(kind + ".", StringComparison.Ordinal))
        .Select(name => (Name: name, Layer: int.Parse(name.AsSpan(kind.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture)))
        .OrderBy(item => item.Layer);
}
