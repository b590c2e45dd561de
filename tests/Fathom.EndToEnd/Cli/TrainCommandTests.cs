using Xunit;

namespace Fathom.EndToEnd.Cli;

/// <summary><c>fathom train</c> at its door; whole runs are tested with the library.</summary>
public class TrainCommandTests
{
    [Fact]
    public async Task Needs_a_config()
    {
        FathomProcess train = await FathomProcess.RunAsync("train");
        Assert.Equal(2, train.ExitCode);
        Assert.Contains("--config", train.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{", "expected the settings of a training run")]
    [InlineData("{ \"model\": \"config.json\" }", "tokenizer")]
    public async Task Says_what_is_wrong_with_the_config(string text, string telling)
    {
        string path = Path.GetTempFileName();
        await File.WriteAllTextAsync(path, text, TestContext.Current.CancellationToken);
        FathomProcess train = await FathomProcess.RunAsync("train", "--config", path);
        File.Delete(path);
        Assert.Equal(1, train.ExitCode);
        Assert.Contains(telling, train.Error, StringComparison.Ordinal);
        Assert.Contains(path, train.Error, StringComparison.Ordinal);
    }
}
