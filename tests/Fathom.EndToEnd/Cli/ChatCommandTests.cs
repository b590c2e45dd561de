using Xunit;

namespace Fathom.EndToEnd.Cli;

/// <summary><c>fathom chat</c> with a script on stdin.</summary>
public class ChatCommandTests
{
    [Fact]
    public async Task Answers_every_line_and_reads_only_what_is_new()
    {
        // Drawn tokens may encode to others: then the reply is read again, and nothing before it.
        FathomProcess chat = await Chat("Who is the king?\nAnd now?\n/quit\nnever read\n");
        Assert.Equal(0, chat.ExitCode);
        string[] turns = chat.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, turns.Length);
        Assert.Contains(" 0 of the prompt's tokens kept", turns[0], StringComparison.Ordinal);
        Assert.DoesNotContain(" 0 of the prompt's tokens kept", turns[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_conversation()
    {
        FathomProcess one = await Chat("Who is the king?\nAnd now?\n"), two = await Chat("Who is the king?\nAnd now?\n");
        Assert.Equal(one.Output, two.Output);
    }

    [Fact]
    public async Task Lists_its_commands_and_refuses_others()
    {
        FathomProcess chat = await Chat("/help\n/foo\n/think maybe\n/new\n/think on\n/system Be brief.\n");
        Assert.Equal(0, chat.ExitCode);
        Assert.Contains("/think on|off", chat.Output, StringComparison.Ordinal);
        Assert.Contains("'/foo'", chat.Error, StringComparison.Ordinal);
        Assert.Contains("'/think maybe'", chat.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("/new'", chat.Error, StringComparison.Ordinal);
    }

    private static Task<FathomProcess> Chat(string script, params string[] options) =>
        FathomProcess.RunAsync(["chat", "--seed", "3", "--max-tokens", "12", .. options], script, TestContext.Current.CancellationToken);
}
