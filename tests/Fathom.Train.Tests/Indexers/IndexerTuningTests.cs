using System.Text.Json;
using Fathom.Checkpoints;
using Fathom.Cpu;
using Fathom.Model;
using Fathom.Tests;
using Fathom.Text;
using Fathom.Train.Autograd;
using Fathom.Train.Data.Tasks;
using Fathom.Train.Indexers;
using Fathom.Train.Model;
using Fathom.Train.Runs;
using Fathom.Train.Tests.Data;
using Xunit;

namespace Fathom.Train.Tests.Indexers;

/// <summary>A small random model whose attention is made sharp, so that there is something to find.</summary>
public class IndexerTuningTests
{
    private const float Sharpness = 4;
    private static readonly string s_prose = TestFiles.Path("models", "fathom-nano", "heldout.txt");
    private static readonly IndexerTuningOptions s_options = new()
    {
        Length = 1024, Steps = 192, Rate = 0.02f, RowsPerText = 512, RowsPerStep = 256, MeasuredTexts = 1, Threads = 2,
    };

    [Fact]
    public void Indexers_find_more_of_what_attention_looks_at_and_nothing_else_changes()
    {
        using var folder = new TempFolder();
        ModelConfig config = Write(folder);
        string output = folder.Path("tuned");
        using var device = new CpuDevice(2);
        using IndexerTuning tuning = IndexerTuning.Open(folder.Root, output, s_prose, device, s_options);
        IndexerFigures before = tuning.Measure(TestContext.Current.CancellationToken)[0][0];
        tuning.Tune(TimeSpan.FromMinutes(5), _ => { }, TestContext.Current.CancellationToken);
        IndexerFigures after = tuning.Measure(TestContext.Current.CancellationToken)[0][0];
        Assert.Equal(s_options.Steps, tuning.Steps);
        Assert.True(after.Recall > before.Recall + 0.05 && after.RecallOfFew > before.RecallOfFew + 0.05 && after.Divergence < before.Divergence, $"before {before}, after {after}");
        Assert.True(after.Recall <= after.Attainable, $"{after}");

        Parameters old = new(config), tuned = new(config);
        ModelFolder.Load(old, folder.Root, quantized: false);
        ModelFolder.Load(tuned, output, quantized: false);
        foreach ((Parameter was, Parameter now) in old.Numbers.Zip(tuned.Numbers))
        {
            Assert.True(was.Value.Span.SequenceEqual(now.Value.Span) != was.OfIndexer, was.Name);
        }
        Assert.Equal(old.Table(0), tuned.Table(0));
        Assert.Equal(File.ReadAllText(folder.Path("config.json")), File.ReadAllText(Path.Combine(output, "config.json")));
    }

    [Fact]
    public void Threads_change_nothing()
    {
        using var folder = new TempFolder();
        Write(folder);
        Assert.Equal(Tuned(1), Tuned(3));

        byte[] Tuned(int threads)
        {
            string output = folder.Path($"by{threads}");
            using var device = new CpuDevice(threads);
            using IndexerTuning tuning = IndexerTuning.Open(
                folder.Root, output, s_prose, device, s_options with { Length = 700, Steps = 6, StepsPerText = 3, Threads = threads });
            tuning.Tune(TimeSpan.FromMinutes(5), _ => { }, TestContext.Current.CancellationToken);
            return File.ReadAllBytes(Path.Combine(output, Checkpoint.SingleFileName));
        }
    }

    [Fact]
    public void A_folder_in_use_and_a_text_too_short_are_refused()
    {
        using var folder = new TempFolder();
        Write(folder);
        using var device = new CpuDevice(1);
        Assert.Contains("empty folder", Refusal(folder.Root, s_options), StringComparison.Ordinal);
        Assert.Contains("expected 512", Refusal(folder.Path("new"), s_options with { Length = 100 }), StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder.Path("new")));

        string Refusal(string output, IndexerTuningOptions options) => Assert.Throws<RunException>(() =>
        {
            using IndexerTuning tuning = IndexerTuning.Open(folder.Root, output, s_prose, device, options);
        }).Message;
    }

    [Fact]
    public void Texts_have_their_length_and_mark_the_rows_before_answers()
    {
        Tokenizer tokenizer = LearntTokenizer.Value;
        var texts = new TuningTexts(tokenizer, new Prose(LearntTokenizer.Prose, tokenizer), Split.Training);
        foreach (TaskKind kind in TuningTexts.Kinds)
        {
            TuningText text = texts.Generate(kind, 7, 6000, 400);
            Assert.Equal(6000, text.Tokens.Length);
            Assert.Equal(400, text.Places.Length);
            Assert.Equal(text.Places, text.Places.Distinct().Order());
            Assert.Equal(text.Tokens, texts.Generate(kind, 7, 6000, 400).Tokens);
            string answers = string.Concat(text.Places.Zip(text.PredictsAnswer).Where(row => row.Second)
                .Select(row => System.Text.Encoding.UTF8.GetString(tokenizer.TokenBytes(text.Tokens[row.First + 1]))));
            Assert.True(answers.Length > 20 && answers.All(char.IsAsciiDigit), $"{kind}: {answers}");
        }
    }

    // Random weights under the seed's tokenizer; entries four times as long as the window's rows make attention sharp, and each is the plain mean of its tokens.
    private static ModelConfig Write(TempFolder folder)
    {
        string seed = TestFiles.Path("models", "seed");
        Dictionary<string, JsonElement> model = JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(
            File.ReadAllText(Path.Combine(seed, "config.json")))!;                     // the file holds an object
        foreach ((string key, string value) in new[]
        {
            ("hidden_size", "32"), ("num_hidden_layers", "2"), ("compress_ratios", "[0, 4]"), ("num_attention_heads", "2"), ("head_dim", "32"),
            ("qk_rope_head_dim", "16"), ("q_lora_rank", "16"), ("o_lora_rank", "16"), ("index_head_dim", "16"), ("index_n_heads", "4"), ("index_topk", "16"),
            ("moe_intermediate_size", "32"), ("n_routed_experts", "4"), ("sliding_window", "16"),
        })
        {
            model[key] = JsonDocument.Parse(value).RootElement;
        }
        File.WriteAllText(folder.Path("config.json"), JsonSerializer.Serialize(model));
        foreach (string file in Directory.EnumerateFiles(seed, "tokenizer*.json"))
        {
            File.Copy(file, folder.Path(Path.GetFileName(file)));
        }
        ModelConfig config = ConfigReader.Read(folder.Path("config.json")).Config;
        var p = new Parameters(config);
        InitialWeights.Fill(p, 54, null, []);
        p[WeightPart.CompressorNorm, 1].Value.Span.Fill(Sharpness);
        p[WeightPart.CompressorGate, 1].Value.Span.Clear();
        ModelFolder.Save(p, folder.Root);
        return config;
    }
}
