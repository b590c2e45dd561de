using Fathom.Text;

namespace Fathom.Tests.Text;

/// <summary>The two vocabularies of the tests, read once.</summary>
internal static class Tokenizers
{
    public static Tokenizer V4 { get; } = Tokenizer.Load(TestFiles.Path("tests/data/tokenizer"));

    public static Tokenizer Nano { get; } = Tokenizer.Load(TestFiles.Path("models/seed"));
}
