using System.Runtime.InteropServices;
using Fathom.Devices;
using Fathom.Engine;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Verification;

/// <summary>Runs a golden case through a model and compares everything that the case recorded.</summary>
public sealed class CaseVerifier
{
    private const double LogitsTolerance = 1e-3;
    private const double HiddenTolerance = 1e-3;

    private readonly RecordingDevice _device;
    private readonly LanguageModel _model;
    private readonly GoldenCase _case;
    private readonly Batch _batch;
    private readonly int _chunk;
    private readonly List<float[]> _draftRows = [];

    private CaseVerifier(RecordingDevice device, LanguageModel model, GoldenCase goldenCase, int chunk)
    {
        _device = device;
        _model = model;
        _case = goldenCase;
        _chunk = chunk;
        _batch = new Batch(chunk);
    }

    /// <summary>Compares a model with a case.</summary>
    /// <param name="modelFolder">config.json and safetensors</param>
    /// <param name="caseFolder">case.json and case.safetensors</param>
    /// <param name="device">to run on</param>
    /// <param name="chunk">tokens of the prompt in one pass; the rest goes token by token</param>
    /// <returns>one check per quantity, in the order in which they are computed</returns>
    public static IReadOnlyList<Check> Run(string modelFolder, string caseFolder, Device device, int chunk)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(chunk, 1);
        using GoldenCase goldenCase = GoldenCase.Open(caseFolder);
        using var recorder = new RecordingDevice(device);
        using LanguageModel model = LanguageModel.Load(modelFolder, recorder, new LoadOptions { CacheFormat = goldenCase.Cache, MaxRows = chunk });
        return new CaseVerifier(recorder, model, goldenCase, chunk).Checks();
    }

    private List<Check> Checks()
    {
        List<float[]> logits = Feed(_case.Prompt, _case.Greedy, drafts: _case.Has("mtp.logits"));
        List<Check> checks = _case.LogitsMax is null ? [.. Layers(), .. Logits("", logits, _case.Prompt.Count, _case.Greedy)] : Loose(logits);
        if (_case.Has("mtp.logits"))
        {
            checks.Add(Rows("mtp.logits", _draftRows, _case.Rows("mtp.logits"), LogitsTolerance));
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

    private IEnumerable<Check> Layers()
    {
        GoldenRows positions = _case.Rows("hidden_pos");
        int layers = _model.Config.LayerCount;
        yield return Picked("hidden_streams", layers + 1, positions);
        yield return Picked("attn_in", layers, positions);
        foreach (string name in _case.TensorNames.Where(name => name.StartsWith("compressed_kv.", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            yield return Rows(name, _device.Rows(name), _case.Rows(name), HiddenTolerance, LayerOf(name), relative: true);
        }
        foreach (string name in _case.TensorNames.Where(name => name.StartsWith("indexer_topk.", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            yield return Sets(name, _case.Rows(name), LayerOf(name), LayerOf(name));
        }
        yield return Picked("attn_out", layers, positions);
        yield return Picked("ffn_in", layers, positions);
        yield return Sets("router_idx", _case.Rows("router_idx"), 0, layers - 1);
        yield return Picked("ffn_out", layers, positions);
    }

    // (layers, positions, …): every layer at the case's chosen positions.
    private Check Picked(string name, int layers, GoldenRows positions)
    {
        var comparison = new Comparison(name, HiddenTolerance);
        GoldenRows expected = _case.Rows(name);
        int width = expected.Values.Length / layers / positions.Columns;
        for (int layer = 0; layer < layers; layer++)
        {
            for (int i = 0; i < positions.Columns; i++)
            {
                int position = (int)positions.Values[i];
                ReadOnlySpan<float> row = expected.Values.AsSpan(((layer * positions.Columns) + i) * width, width);
                // Streams 0 are the embedding's; streams l + 1 leave layer l.
                comparison.Add(_device.Rows($"{name}.{layer}")[position], row, position, name == "hidden_streams" ? layer - 1 : layer, relative: true);
            }
        }
        return comparison.Worst;
    }

    private Check Sets(string name, GoldenRows expected, int firstLayer, int lastLayer)
    {
        var comparison = new Comparison(name, 0);
        int rows = expected.Count / (lastLayer - firstLayer + 1);
        for (int layer = firstLayer; layer <= lastLayer; layer++)
        {
            IReadOnlyList<float[]> found = _device.Rows(firstLayer == lastLayer ? name : $"{name}.{layer}");
            for (int t = 0; t < rows; t++)
            {
                comparison.AddSet(found[t], expected[((layer - firstLayer) * rows) + t].ToArray(), t, layer);
            }
        }
        return comparison.Worst;
    }

    private IEnumerable<Check> Logits(string prefix, List<float[]> logits, int promptLength, IReadOnlyList<int> greedy)
    {
        yield return Rows(prefix + "prefill_logits", logits[..promptLength], _case.Rows(prefix + "prefill_logits"), LogitsTolerance);
        List<float[]> decode = logits[(promptLength - 1)..];
        yield return Rows(prefix + "decode_logits", decode, _case.Rows(prefix + "decode_logits"), LogitsTolerance);
        var ids = new Comparison(prefix + "greedy_ids", 0);
        for (int i = 0; i < greedy.Count; i++)
        {
            ids.AddSet([Array.IndexOf(decode[i], decode[i].Max())], [greedy[i]], promptLength - 1 + i, -1);
        }
        yield return ids.Worst;
    }

    // A case whose rounding may flip sets its own limits on mean and maximum of all logits, and nothing else is comparable.
    private List<Check> Loose(List<float[]> logits)
    {
        var comparison = new Comparison("logits_max", _case.LogitsMax ?? LogitsTolerance);
        GoldenRows prefill = _case.Rows("prefill_logits"), decode = _case.Rows("decode_logits");
        for (int t = 0; t < logits.Count; t++)
        {
            comparison.Add(logits[t], t < _case.Prompt.Count ? prefill[t] : decode[t - _case.Prompt.Count + 1], t, -1, relative: false);
        }
        return [comparison.Worst, comparison.Mean("logits_mean", _case.LogitsMean ?? LogitsTolerance)];
    }

    private static Check Rows(
        string name, IReadOnlyList<float[]> found, GoldenRows expected, double tolerance, int layer = -1, bool relative = false)
    {
        var comparison = new Comparison(name, tolerance);
        for (int t = 0; t < expected.Count; t++)
        {
            comparison.Add(t < found.Count ? found[t] : [], expected[t], t, layer, relative);
        }
        return comparison.Worst;
    }

    private static int LayerOf(string name) => int.Parse(name[(name.LastIndexOf('.') + 1)..], System.Globalization.CultureInfo.InvariantCulture);
}
