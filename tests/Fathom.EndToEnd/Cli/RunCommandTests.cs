using System.Text.Json;
using Xunit;

namespace Fathom.EndToEnd.Cli;

/// <summary><c>fathom run</c> with the bundled model, as a user or a script calls it.</summary>
public class RunCommandTests
{
    [Fact]
    public async Task Prints_the_completion_alone_on_stdout_and_speeds_and_seed_on_stderr()
    {
        FathomProcess run = await FathomProcess.RunAsync("run", "And it came to pass", "--max-tokens", "20", "--seed", "7");
        Assert.Equal(0, run.ExitCode);
        Assert.True(run.Output.Trim().Length > 20, run.Output);
        Assert.DoesNotContain("And it came to pass", run.Output, StringComparison.Ordinal);
        Assert.Contains("seed 7", run.Error, StringComparison.Ordinal);
        Assert.Contains("/s", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_text_on_any_number_of_threads()
    {
        FathomProcess one = await FathomProcess.RunAsync("run", "The king said", "--max-tokens", "40", "--seed", "11", "--threads", "1");
        FathomProcess two = await FathomProcess.RunAsync("run", "The king said", "--max-tokens", "40", "--seed", "11", "--threads", "2");
        FathomProcess other = await FathomProcess.RunAsync("run", "The king said", "--max-tokens", "40", "--seed", "12", "--threads", "2");
        Assert.Equal(one.Output, two.Output);
        Assert.NotEqual(one.Output, other.Output);
    }

    [Fact]
    public async Task Temperature_zero_needs_no_seed()
    {
        FathomProcess one = await FathomProcess.RunAsync("run", "The king said", "--max-tokens", "20", "--temperature", "0");
        FathomProcess two = await FathomProcess.RunAsync("run", "The king said", "--max-tokens", "20", "--temperature", "0");
        Assert.Equal(one.Output, two.Output);
    }

    [Fact]
    public async Task Reads_the_prompt_from_stdin_and_answers_in_json()
    {
        FathomProcess run = await FathomProcess.RunAsync(
            ["run", "--prompt-file", "-", "--max-tokens", "8", "--seed", "1", "--json", "--quiet"], "In the beginning\n", TestContext.Current.CancellationToken);
        Assert.Equal(0, run.ExitCode);
        Assert.Empty(run.Error);
        using JsonDocument json = JsonDocument.Parse(run.Output);
        Assert.Equal(8, json.RootElement.GetProperty("tokens").GetInt32());
        Assert.Equal("length", json.RootElement.GetProperty("finish").GetString());
        Assert.NotEmpty(json.RootElement.GetProperty("text").GetString()!);                // the property is a string
    }

    [Theory]
    [InlineData("found none", "run")]
    [InlineData("found two", "run", "text", "--prompt-file", "-")]
    [InlineData("--temperature", "run", "text", "--temperature", "-1")]
    [InlineData("--top-p", "run", "text", "--top-p", "0")]
    [InlineData("--max-tokens", "run", "text", "--max-tokens", "-3")]
    public async Task Refuses_wrong_usage(string telling, params string[] arguments)
    {
        FathomProcess run = await FathomProcess.RunAsync(arguments);
        Assert.Equal(2, run.ExitCode);
        Assert.Contains(telling, run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Output);
    }

    [Theory]
    [InlineData("found a file", "--model", "FILE")]
    [InlineData("tokenizer.json", "--model", "no-such-folder")]
    [InlineData("does not fit", "--context", "2")]
    public async Task Says_what_is_wrong_with_model_or_prompt(string telling, string option, string value)
    {
        string file = Path.GetTempFileName();
        FathomProcess run = await FathomProcess.RunAsync("run", "some words to complete", option, value == "FILE" ? file : value);
        File.Delete(file);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains(telling, run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refuses_a_prompt_that_is_not_utf8_with_its_offset()
    {
        FathomProcess run = await FathomProcess.RunAsync(["run", "--prompt-file", "-"], [(byte)'a', 0xFF], TestContext.Current.CancellationToken);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("offset 1", run.Error, StringComparison.Ordinal);
    }
}
