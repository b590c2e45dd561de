using System.Xml.Linq;
using Fathom.Cpu;
using Fathom.Engine;
using Fathom.Tests;
using Fathom.Text;
using Fathom.Train.Data.Tasks;
using Fathom.Train.Evaluation;
using Fathom.Train.Tests.Data;
using Xunit;

namespace Fathom.Train.Tests.Evaluation;

/// <summary>With the seed, which cannot answer: what is asked of it and how is checked, not what it says.</summary>
public sealed class NeedleEvaluationTests : IDisposable
{
    private const int Context = 3000;

    private static readonly string s_nano = TestFiles.Path("models", "seed");
    private static readonly Tokenizer s_tokenizer = Tokenizer.Load(s_nano);

    private readonly CpuDevice _cpu = new(2);

    public void Dispose() => _cpu.Dispose();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void Questions_on_forks_get_the_answers_of_a_sequence_of_their_own()
    {
        var device = new SelectionDevice(_cpu, EntrySelection.Learned);
        using LanguageModel model = Load(device);
        var evaluation = new NeedleEvaluation(model, device, s_tokenizer, LearntTokenizer.ProseText, Split.Test);
        NeedleResult result = evaluation.Run(TaskKind.Needle, Context, seed: 4, samples: 1, progress: null, Cancellation);
        var task = new RetrievalTask(s_tokenizer, EvaluationProse.Of(LearntTokenizer.ProseText, s_tokenizer), Split.Test);
        Haystack haystack = task.Hide(TaskKind.Needle, 4, Context, model.Config.SlidingWindow);
        Assert.Equal(haystack.Questions.Select(question => question.Key), result.Answers.Select(answer => answer.Key));
        foreach (int i in new[] { 0, 5, result.Answers.Count - 1 })
        {
            HaystackQuestion question = haystack.Questions[i];
            using var alone = new Generator(model, device, Context);
            alone.Read([.. haystack.Tokens, .. question.Tokens], progress: null, Cancellation);
            var sampler = new Sampler(SamplingOptions.Greedy, model.Config.VocabularySize);
            int[] given = [.. alone.Generate(sampler, -1, question.AnswerTokens.Length, Cancellation).Select(token => token.Id)];
            Assert.Equal(s_tokenizer.Decode(given), result.Answers[i].Given);
            Assert.Equal(haystack.Tokens.Length + question.Tokens.Length - question.Evidence[0].Start, result.Answers[i].Distance);
        }
    }

    [Fact]
    public void What_attention_gets_to_see_changes_the_logits_and_each_selection_differently()
    {
        int[] tokens = [0, .. s_tokenizer.Encode(LearntTokenizer.ProseText, recognizeAddedTokens: false)[..2999]];
        var seen = new List<float[]>();
        foreach (EntrySelection selection in Enum.GetValues<EntrySelection>())
        {
            var device = new SelectionDevice(_cpu, selection) { Facts = [new TokenSpan(300, 12)] };
            using LanguageModel model = Load(device);
            using var generator = new Generator(model, device, Context);
            generator.Read(tokens, progress: null, Cancellation);
            Assert.All(seen, other => Assert.NotEqual(other, generator.Logits.ToArray()));
            seen.Add(generator.Logits.ToArray());
        }
    }

    [Fact]
    public void A_window_is_blind_to_what_is_further_away_than_all_layers_reach()
    {
        var device = new SelectionDevice(_cpu, EntrySelection.None);
        using LanguageModel model = Load(device);
        int[] tokens = [0, .. s_tokenizer.Encode(LearntTokenizer.ProseText, recognizeAddedTokens: false)[..999]];
        int reach = model.Config.LayerCount * (model.Config.SlidingWindow - 1);
        float[] before = Logits(model, device, tokens);
        tokens[tokens.Length - 2 - reach] ^= 1;
        Assert.Equal(before, Logits(model, device, tokens));
        tokens[tokens.Length - model.Config.SlidingWindow] ^= 1;
        Assert.NotEqual(before, Logits(model, device, tokens));
    }

    [Fact]
    public void Tables_hold_every_answer_once_and_the_picture_is_well_formed()
    {
        NeedleAnswer[] answers =
        [
            .. Enumerable.Range(0, 101).Select(i => new NeedleAnswer(1, "k", "1", "1", null, i % 3 == 0, i / 100.0, 1 + (i * i))),
        ];
        Assert.Equal(answers.Length, NeedleTable.ByDepth(answers).Sum(bucket => bucket.Correct.Count));
        Assert.Equal(answers.Length, NeedleTable.ByDistance(answers).Sum(bucket => bucket.Correct.Count));
        Assert.Equal(11, NeedleTable.ByDepth(answers)[^1].Correct.Count);       // 0.90 … 1.00
        Assert.Equal((1.0, 2.0), (NeedleTable.ByDistance(answers)[0].From, NeedleTable.ByDistance(answers)[0].To));
        var results = new[] { 2048, 65536 }.Select(context => new NeedleResult(context, answers, 128, context, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2)));
        XElement svg = XElement.Parse(NeedlePicture.Draw([.. results], "needle <&> learned"));
        Assert.Equal(2 * NeedleTable.Depths, svg.Elements().Count(e => e.Value.Contains(" of ", StringComparison.Ordinal)));
        Assert.Contains(svg.Elements(), e => e.Value == "65,536: 34 %");
    }

    private static LanguageModel Load(SelectionDevice device) => LanguageModel.Load(s_nano, device, new Engine.LoadOptions());

    private static float[] Logits(LanguageModel model, SelectionDevice device, int[] tokens)
    {
        using var generator = new Generator(model, device, Context);
        generator.Read(tokens, progress: null, Cancellation);
        return generator.Logits.ToArray();
    }
}
