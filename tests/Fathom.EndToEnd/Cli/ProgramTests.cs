using Xunit;

namespace Fathom.EndToEnd.Cli;

public class ProgramTests
{
    [Theory]
    [InlineData]
    [InlineData("fathomless")]
    [InlineData("--nonsense")]
    public async Task A_wrong_command_line_gives_2(params string[] arguments)
    {
        FathomProcess run = await FathomProcess.RunAsync(arguments);
        Assert.Equal(2, run.ExitCode);
        Assert.Empty(run.Output);
        Assert.Contains("See 'fathom --help'.", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_command_has_help_with_an_example()
    {
        FathomProcess root = await FathomProcess.RunAsync("--help");
        string[] commands = CommandNames(root.Output);
        Assert.Contains("plan", commands);
        foreach (string command in commands)
        {
            FathomProcess help = await FathomProcess.RunAsync(command, "--help");
            Assert.Equal(0, help.ExitCode);
            Assert.Contains($"Example:{Environment.NewLine}  fathom {command} ", help.Output.ReplaceLineEndings(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_version_is_a_version()
    {
        FathomProcess run = await FathomProcess.RunAsync("--version");
        Assert.Equal(0, run.ExitCode);
        Assert.Matches(@"^\d+\.\d+\.\d+", run.Output);
    }

    private static string[] CommandNames(string help) =>
        [.. help.ReplaceLineEndings("\n").Split("Commands:\n")[1].Split("\n\n")[0].Split('\n')
            .Where(line => line.StartsWith("  ", StringComparison.Ordinal) && line[2] != ' ')
            .Select(line => line.Trim().Split(' ')[0])];
}
