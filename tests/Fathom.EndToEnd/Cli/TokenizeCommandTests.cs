using System.Text;
using Fathom.Tests;
using Xunit;

namespace Fathom.EndToEnd.Cli;

public class TokenizeCommandTests
{
    private static readonly string s_v4 = TestFiles.Path("tests", "data", "tokenizer");

    [Theory]
    [InlineData("", "[]")]
    [InlineData("12345678", "[6895,18009,2597]")]
    [InlineData("  two  spaces\n\nnew", "[223,1234,223,13564,271,2839]")]
    [InlineData("a\tb\r\nc", "[67,37496,204,201,69]")]
    [InlineData("中文<｜User｜>", "[21134,128803]")]
    public async Task Prints_the_ids_of_stdin_as_one_array_and_the_text_back(string text, string ids)
    {
        FathomProcess run = await RunAsync(text, "--model", s_v4);
        Assert.Equal((0, ids + "\n", ""), (run.ExitCode, run.Output, run.Error));
        FathomProcess back = await RunAsync(run.Output, "--decode", "--model", s_v4);
        Assert.Equal((0, text, ""), (back.ExitCode, back.Output, back.Error));
    }

    [Fact]
    public async Task Needs_no_model_option_and_takes_a_file()
    {
        FathomProcess bundled = await RunAsync("Hello", "--json", "--quiet");
        FathomProcess file = await RunAsync("Hello", "--model", TestFiles.Path("models", "fathom-nano", "tokenizer.json"));
        Assert.Equal((0, 0), (bundled.ExitCode, file.ExitCode));
        Assert.Equal(bundled.Output, file.Output);
    }

    [Fact]
    public async Task Bytes_that_are_no_utf8_are_refused_with_their_offset()
    {
        FathomProcess run = await FathomProcess.RunAsync(["tokenize"], "ab\u00e9"u8.ToArray().Append((byte)0xFF).ToArray(), TestContext.Current.CancellationToken);
        Assert.Equal((1, ""), (run.ExitCode, run.Output));
        Assert.Contains("0xFF at offset 4", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[1,4096]", "from 0 to 4095, found 4096 at index 1")]
    [InlineData("[-1]", "found -1 at index 0")]
    [InlineData("[1,\"a\"]", "found \"a\" at index 1")]
    [InlineData("[1.5]", "found 1.5 at index 0")]
    [InlineData("{}", "found a JSON Object")]
    [InlineData("[1,", "no JSON in line 1")]
    [InlineData("", "found nothing")]
    public async Task Ids_that_cannot_be_decoded_are_refused(string ids, string says)
    {
        FathomProcess run = await RunAsync(ids, "--decode");
        Assert.Equal((1, ""), (run.ExitCode, run.Output));
        Assert.Contains(says, run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Decoding_nothing_writes_nothing()
    {
        FathomProcess run = await RunAsync("[]", "--decode");
        Assert.Equal((0, "", ""), (run.ExitCode, run.Output, run.Error));
    }

    [Fact]
    public async Task A_folder_without_tokenizer_fails_and_a_wrong_option_is_wrong_usage()
    {
        FathomProcess missing = await RunAsync("x", "--model", TestFiles.Path("tests", "goldens", "d_flash"));
        Assert.Equal(1, missing.ExitCode);
        Assert.Contains("tokenizer.json", missing.Error, StringComparison.Ordinal);
        Assert.Equal(2, (await RunAsync("x", "--encode")).ExitCode);
        Assert.Equal(2, (await RunAsync("[1]", "--decode", "--json")).ExitCode);
    }

    private static Task<FathomProcess> RunAsync(string input, params string[] arguments) =>
        FathomProcess.RunAsync(["tokenize", .. arguments], Encoding.UTF8.GetBytes(input), TestContext.Current.CancellationToken);
}
