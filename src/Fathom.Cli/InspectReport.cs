using System.Globalization;
using System.Text.Json;
using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Planning;

namespace Fathom.Cli;

/// <summary>What a model is, for people or for programs.</summary>
internal sealed class InspectReport(string name, ModelFiles files)
{
    private const string Architecture = "DeepseekV4ForCausalLM";
    private const int NamesShown = 10;

    private readonly ModelConfig _config = files.Config;
    private readonly TensorInventory _inventory = files.Inventory;
    private readonly LayerPlan[] _layers = [.. Enumerable.Range(0, files.Config.LayerCount).Select(layer => LayerPlan.For(files.Config, layer))];

    public void WriteText(TextWriter output)
    {
        Line(output, $"{name}: {Architecture}, config in the {Spelling(files.ConfigFile.Spelling)} spelling, tensors in the {files.Spelling}");
        output.WriteLine();
        Row(output, "layers", $"{_layers.Length}: {string.Join(", ", Kinds().Select(kind => Invariant($"{kind.Count} {kind.Label}")))}");
        Row(output, "routing", $"{Count(RoutingKind.Hash)} by hash, {Count(RoutingKind.Scored)} scored; {_config.ExpertsPerToken} of {_config.ExpertCount} experts and {_config.SharedExpertCount} shared");
        Row(output, "MTP", Mtp());
        Row(output, "parameters", $"{_inventory.Parameters:N0} in the main model, {_inventory.ActiveParameters:N0} active for each token");
        Row(output, "vocabulary", $"{_config.VocabularySize:N0} tokens");
        Row(output, "context", $"{_config.MaxPositions:N0} tokens, {_config.SlidingWindow:N0} of them in the window of every layer");
        Row(output, "cache per token", $"{Amount(CostModel.KvBytesPerToken(_config))} B in the released mixed format, {Amount(KvBytesPerTokenF32())} B in F32");
        output.WriteLine();
        foreach ((string format, long bytes) in files.BytesByFormat)
            Line(output, $"{format,-18}{bytes,18:N0} B");
        Line(output, $"{"all weights",-18}{files.WeightsBytes,18:N0} B");
        if (files.UnusedNames.Count == 0)
            return;

        output.WriteLine();
        Line(output, $"{files.UnusedNames.Count:N0} tensors ({files.UnusedBytes:N0} B) belong to no weight of this architecture and are not used:");
        foreach (string unused in files.UnusedNames.Take(NamesShown))
            Line(output, $"  {unused}");
        if (files.UnusedNames.Count > NamesShown)
            Line(output, $"  and {files.UnusedNames.Count - NamesShown:N0} more; --json lists all.");
    }

    public void WriteJson(Stream output)
    {
        JsonOutput.Write(output, json =>
        {
            json.WriteString("model", name);
            json.WriteString("architecture", Architecture);
            json.WriteString("configSpelling", Spelling(files.ConfigFile.Spelling));
            json.WriteString("tensorSpelling", files.Spelling);
            WriteLayers(json);
            json.WriteStartObject("parameters");
            json.WriteNumber("total", _inventory.Parameters);
            json.WriteNumber("active", _inventory.ActiveParameters);
            json.WriteNumber("mtp", files.HasMtp ? _inventory.MtpParameters : 0);
            json.WriteEndObject();
            json.WriteNumber("mtpLayers", _config.MtpLayerCount);
            json.WriteBoolean("mtpWeights", files.HasMtp);
            json.WriteNumber("vocabulary", _config.VocabularySize);
            json.WriteNumber("context", _config.MaxPositions);
            json.WriteNumber("window", _config.SlidingWindow);
            json.WriteStartObject("kvBytesPerToken");
            json.WriteNumber("mixed", CostModel.KvBytesPerToken(_config));
            json.WriteNumber("f32", KvBytesPerTokenF32());
            json.WriteEndObject();
            WriteBytes(json);
            WriteNames(json, "unknownConfigKeys", files.ConfigFile.UnknownKeys);
            WriteNames(json, "unusedTensors", files.UnusedNames);
        });
    }

    private void WriteLayers(Utf8JsonWriter json)
    {
        json.WriteStartObject("layers");
        json.WriteNumber("total", _layers.Length);
        json.WriteNumber("window", Count(AttentionKind.Window));
        json.WriteNumber("csa", Count(AttentionKind.Csa));
        json.WriteNumber("hca", Count(AttentionKind.Hca));
        json.WriteNumber("hash", Count(RoutingKind.Hash));
        json.WriteNumber("scored", Count(RoutingKind.Scored));
        json.WriteEndObject();
        json.WriteStartObject("experts");
        json.WriteNumber("routed", _config.ExpertCount);
        json.WriteNumber("perToken", _config.ExpertsPerToken);
        json.WriteNumber("shared", _config.SharedExpertCount);
        json.WriteEndObject();
    }

    private void WriteBytes(Utf8JsonWriter json)
    {
        json.WriteStartObject("bytesByFormat");
        foreach ((string format, long bytes) in files.BytesByFormat)
            json.WriteNumber(format, bytes);
        json.WriteEndObject();
        json.WriteNumber("weightsBytes", files.WeightsBytes);
        json.WriteNumber("unusedBytes", files.UnusedBytes);
    }

    private static void WriteNames(Utf8JsonWriter json, string property, IReadOnlyList<string> names)
    {
        json.WriteStartArray(property);
        foreach (string item in names)
            json.WriteStringValue(item);
        json.WriteEndArray();
    }

    private int Count(AttentionKind kind) => _layers.Count(layer => layer.Attention == kind);

    private int Count(RoutingKind kind) => _layers.Count(layer => layer.Routing == kind);

    /// <summary>Layers alike in kind and ratio, in the order in which a token first meets them.</summary>
    private IEnumerable<(int Count, string Label)> Kinds() => _layers.GroupBy(layer => (layer.Attention, layer.Ratio)).Select(group => (group.Count(), group.Key switch
    {
        (AttentionKind.Window, _) => "window",
        (AttentionKind.Csa, int ratio) => Invariant($"CSA (1 entry for {ratio} tokens)"),
        (_, int ratio) => Invariant($"HCA (1 entry for {ratio} tokens)"),
    }));

    private string Mtp() => (_config.MtpLayerCount, files.HasMtp) switch
    {
        (0, _) => "none",
        (int blocks, true) => Invariant($"{blocks} {(blocks == 1 ? "block" : "blocks")}, {_inventory.MtpParameters:N0} parameters more"),
        (int blocks, false) => Invariant($"{blocks} in the config, dropped from the checkpoint"),
    };

    /// <summary>As <see cref="CostModel.KvBytesPerToken"/> counts, for caches of single precision.</summary>
    private double KvBytesPerTokenF32()
    {
        var layout = new CacheLayout(_config, CacheFormat.F32);
        return _layers.Where(layer => layer.Ratio > 0).Sum(layer =>
            (double)(layout.KeyFormat.Bytes + (layer.Attention == AttentionKind.Csa ? layout.IndexFormat.Bytes : 0)) / layer.Ratio);
    }

    private static string Spelling(ConfigSpelling spelling) => spelling switch
    {
        ConfigSpelling.Released => "released",
        ConfigSpelling.Inference => "inference",
        _ => "transformers",
    };

    private static string Amount(double number) => number.ToString("#,0.##", CultureInfo.InvariantCulture);

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static void Row(TextWriter output, string what, FormattableString text) => Row(output, what, Invariant(text));

    private static void Row(TextWriter output, string what, string text) => output.WriteLine($"{what,-18}{text}");

    private static void Line(TextWriter output, FormattableString text) => output.WriteLine(Invariant(text));
}
