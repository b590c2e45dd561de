using System.Text.Json;
using Fathom.Model;
using Fathom.Tests;
using Fathom.Tests.Reference;

namespace Fathom.Parity.Goldens;

/// <summary>A prompt with the ids chosen after it and the logits of every position.</summary>
/// <param name="PrefillLogits">(T)(V)</param> <param name="DecodeLogits">(N)(V); row 0 belongs to the last prompt position.</param>
internal sealed record GoldenRun(string Name, int[] PromptIds, int[] GreedyIds, double[][] PrefillLogits, double[][] DecodeLogits)
{
    /// <summary>The tokens fed: the prompt and all chosen ids but the last.</summary>
    public int[] Tokens => [.. PromptIds, .. GreedyIds[..^1]];
}

/// <summary>A golden model with its expected values.</summary>
internal sealed class GoldenCase
{
    /// <summary>Cases with an F32 cache.</summary>
    public static readonly string[] Plain =
        ["a_sliding", "b_csa", "c_hca", "d_flash", "e_pro", "f_realdims", "g_mtp", "s_seed", "q_fp8_fp4"];

    /// <summary>Cases with the released cache rounding.</summary>
    public static readonly string[] Mixed = ["m_mixed", "m_mixed_512"];

    private GoldenCase(string name)
    {
        Name = name;
        string folder = TestFiles.Path("tests", "goldens", name);
        Values = GoldenFile.Open(Path.Combine(folder, "case.safetensors"));
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "case.json")));
        JsonElement json = document.RootElement;
        ModelFolder = json.TryGetProperty("model", out _) ? TestFiles.Path("models", "seed") : folder;
        Config = ReferenceConfig.Read(Path.Combine(ModelFolder, "config.json"));
        HiddenPositions = Ids(json, "hidden_positions");
        Main = Read(json, name, "");
        ShortPrompts = json.TryGetProperty("short_prompts", out JsonElement prompts)
            ? [.. prompts.EnumerateArray().Select(prompt => Read(prompt, $"{name} short{prompt.GetProperty("len")}", $"short{prompt.GetProperty("len")}."))]
            : [];
        Rounding = json.TryGetProperty("cache", out JsonElement cache) && cache.GetString() == "mixed" ? CacheRounding.ReleasedMixed : CacheRounding.None;
        if (json.TryGetProperty("tolerance", out JsonElement tolerance))
        {
            MixedLogits = (tolerance.GetProperty("logits_mean").GetDouble(), tolerance.GetProperty("logits_max").GetDouble());
        }
    }

    public string Name { get; }

    public string ModelFolder { get; }

    public ModelConfig Config { get; }

    public GoldenFile Values { get; }

    public int[] HiddenPositions { get; }

    public GoldenRun Main { get; }

    public IReadOnlyList<GoldenRun> ShortPrompts { get; }

    public CacheRounding Rounding { get; }

    /// <summary>The case's own bounds on logits, where the cache is rounded.</summary>
    public (double Mean, double Max)? MixedLogits { get; }

    public static GoldenCase Load(string name) => new(name);

    public ReferenceModel Reference() => new(Config, ReferenceTensors.Load(ModelFolder), Rounding);

    /// <summary>Slice <paramref name="index"/> of a tensor's first dimension, as rows of <paramref name="width"/>.</summary>
    public double[][] Slice(string name, int index, int width)
    {
        double[] values = Values.Doubles(name);
        int size = values.Length / Values.Shape(name)[0];
        return [.. values[(index * size)..((index + 1) * size)].Chunk(width)];
    }

    /// <summary>The main model's streams at every prompt position, as MTP takes them.</summary>
    public double[][] MainStreams() => [.. Values.Doubles("mtp.main_streams_all").Chunk(Config.HcMult * Config.HiddenSize)];

    private GoldenRun Read(JsonElement json, string name, string prefix) => new(
        name,
        Ids(json, "prompt_ids"),
        Ids(json, "greedy_ids"),
        Values.Rows($"{prefix}prefill_logits"),
        Values.Rows($"{prefix}decode_logits"));

    private static int[] Ids(JsonElement json, string key) => [.. json.GetProperty(key).EnumerateArray().Select(id => id.GetInt32())];
}
