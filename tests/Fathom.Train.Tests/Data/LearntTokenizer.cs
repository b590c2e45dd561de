using Fathom.Tests;
using Fathom.Text;
using Fathom.Train.Data;
using Xunit;

namespace Fathom.Train.Tests.Data;

/// <summary>A vocabulary of 2,048 learnt once from the held-out prose that the repository carries, and that prose as a dataset.</summary>
internal static class LearntTokenizer
{
    private static readonly Lazy<Tokenizer> s_tokenizer = new(Learn);
    private static readonly Lazy<TokenDataset> s_prose = new(Tokenize);

    public static string ProseText { get; } = File.ReadAllText(TestFiles.Path("models/fathom-nano/heldout.txt"));

    public static Tokenizer Value => s_tokenizer.Value;

    public static TokenDataset Prose => s_prose.Value;

    public static int Id(string token)
    {
        Assert.True(Value.TryGetId(token, out int id), token);
        return id;
    }

    public static Tokenizer Load(LearntVocabulary vocabulary)
    {
        using var folder = new TempFolder();
        TokenizerWriter.Write(vocabulary, folder.Root);
        return Tokenizer.Load(folder.Root);
    }

    private static TokenDataset Tokenize() => TokenDataset.Tokenize([ProseText], Value);

    private static Tokenizer Learn()
    {
        var trainer = new BpeTrainer();
        trainer.Add(System.Text.Encoding.UTF8.GetBytes(ProseText));
        return Load(trainer.Train(2048));
    }
}
