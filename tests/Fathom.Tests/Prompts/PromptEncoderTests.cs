using System.Text.Json;
using Fathom.Prompts;
using Fathom.Tests.Text;
using Xunit;

namespace Fathom.Tests.Prompts;

public class PromptEncoderTests
{
    public static TheoryData<string> Prompts => [.. ChatGoldens.Cases.Where(c => c.TryGetProperty("prompt", out _)).Select(Name)];

    public static TheoryData<string> Errors => [.. ChatGoldens.Cases.Where(c => c.TryGetProperty("error", out _)).Select(Name)];

    public static TheoryData<string> Middles => [.. ChatGoldens.FillInTheMiddle.Select(Name)];

    [Theory]
    [MemberData(nameof(Prompts))]
    public void Writes_the_prompt_of_the_official_encoder(string name)
    {
        JsonElement golden = ChatGoldens.Case(name);
        Assert.Equal(golden.GetProperty("prompt").GetString(), ChatGoldens.Encode(golden).Text);
    }

    [Theory]
    [MemberData(nameof(Prompts))]
    public void The_prompt_becomes_the_golden_ids(string name)
    {
        JsonElement golden = ChatGoldens.Case(name);
        Assert.Equal(golden.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()), Tokenize(ChatGoldens.Encode(golden)));
    }

    [Theory]
    [MemberData(nameof(Errors))]
    public void Refuses_with_a_sentence_what_the_official_encoder_refuses(string name)
    {
        var error = Assert.Throws<PromptException>(() => ChatGoldens.Encode(ChatGoldens.Case(name)));
        Assert.Matches("expected .+, found .+", error.Message);
        Assert.EndsWith(".", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Middles))]
    public void Writes_the_fill_in_the_middle_prompt(string name)
    {
        JsonElement golden = ChatGoldens.FillInTheMiddle.Single(c => Name(c) == name);
        JsonElement input = golden.GetProperty("input");
        RenderedPrompt prompt = PromptEncoder.FillInTheMiddle(
            input.GetProperty("prefix").GetString()!, input.GetProperty("suffix").GetString()!, input.GetProperty("bos").GetBoolean());
        Assert.Equal(golden.GetProperty("prompt").GetString(), prompt.Text);
        Assert.Equal(golden.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()), Tokenize(prompt));
    }

    [Fact]
    public void Covers_the_whole_golden_file() => Assert.Equal((103, 5, 4), (Prompts.Count, Errors.Count, Middles.Count));

    private static List<int> Tokenize(RenderedPrompt prompt)
    {
        var ids = new List<int>();
        foreach (PromptPiece piece in prompt.Pieces(TokenMatching.Everywhere))
            Tokenizers.V4.Append(piece.Text, piece.RecognizeAddedTokens, ids);
        return ids;
    }

    private static string Name(JsonElement golden) => golden.GetProperty("name").GetString()!;
}
