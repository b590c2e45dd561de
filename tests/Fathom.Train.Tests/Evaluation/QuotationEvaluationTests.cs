using Fathom.Cpu;
using Fathom.Engine;
using Fathom.Prompts;
using Fathom.Tests;
using Fathom.Text;
using Fathom.Train.Data.Tasks;
using Fathom.Train.Evaluation;
using Fathom.Train.Tests.Data;
using Xunit;

namespace Fathom.Train.Tests.Evaluation;

public class QuotationEvaluationTests
{
    private static readonly ContractTask s_task = new(
        LearntTokenizer.Value, new Prose(LearntTokenizer.Prose, LearntTokenizer.Value), Split.Test);

    [Theory]
    [InlineData(512)]
    [InlineData(2048)]
    [InlineData(8192)]
    public void A_reading_asks_for_words_of_its_source_in_prompts_of_the_chat_format(int length)
    {
        ContractReading reading = s_task.Read(3, length);
        Assert.InRange(reading.Questions.Count, 1, 16);
        foreach (ContractQuestion question in reading.Questions)
        {
            Assert.Contains(question.Answer, reading.Source, StringComparison.Ordinal);
            Assert.InRange(question.Prompt.Length, length / 2, length + (length / 16));
            string prompt = LearntTokenizer.Value.Decode(question.Prompt);
            Assert.StartsWith(ProtocolTokens.BeginOfSentence + ProtocolTokens.User + reading.Source, prompt, StringComparison.Ordinal);
            Assert.EndsWith(ProtocolTokens.Assistant + ProtocolTokens.ThinkClose, prompt, StringComparison.Ordinal);
        }

        Assert.Equal(reading.Source, s_task.Read(3, length).Source);
        Assert.NotEqual(reading.Source, s_task.Read(4, length).Source);
    }

    [Fact]
    public void Constrained_answers_of_a_model_that_knows_nothing_are_quotations_all_the_same()
    {
        string nano = TestFiles.Path("models", "seed");
        using var cpu = new CpuDevice(2);
        using LanguageModel model = LanguageModel.Load(nano, cpu, new LoadOptions());
        var evaluation = new QuotationEvaluation(model, cpu, Tokenizer.Load(nano), LearntTokenizer.ProseText, Split.Test);
        IReadOnlyList<QuotedAnswer> held = evaluation.Run(512, 1, 2, constrained: true, null, TestContext.Current.CancellationToken);
        Assert.NotEmpty(held);
        Assert.All(held, answer => Assert.True(answer.IsQuoted, answer.Given));
        IReadOnlyList<QuotedAnswer> free = evaluation.Run(512, 1, 2, constrained: false, null, TestContext.Current.CancellationToken);
        Assert.Equal(held.Select(answer => (answer.Sample, answer.Key, answer.Expected)), free.Select(answer => (answer.Sample, answer.Key, answer.Expected)));
        Assert.Contains(free, answer => !answer.IsQuoted);
    }
}
