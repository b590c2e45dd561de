using System.Reflection;
using Fathom.Model;
using Xunit;

namespace Fathom.Tests.House;

/// <summary>The public surfaces of the libraries as texts, so that a change of one is seen and meant.</summary>
public class PublicApiTests
{
    [Theory]
    [InlineData("Fathom", "PublicApi")]
    [InlineData("Fathom.Extensions.AI", "PublicApi.Extensions.AI")]
    [InlineData("Fathom.Server", "PublicApi.Server")]
    public void The_public_surface_is_the_approved_one(string library, string file)
    {
        (string approvedName, string receivedName) = (file + ".approved.txt", file + ".received.txt");
        string folder = TestFiles.Path("tests", "Fathom.Tests", "House");
        string approvedPath = Path.Combine(folder, approvedName);
        string received = PublicApiText.Of(Assembly.Load(library));
        string approved = File.Exists(approvedPath) ? File.ReadAllText(approvedPath).ReplaceLineEndings("\n") : "";
        string receivedPath = Path.Combine(folder, receivedName);
        if (approved == received)
        {
            File.Delete(receivedPath);
            return;
        }

        File.WriteAllText(receivedPath, received);
        string[] before = approved.Split('\n');
        string[] now = received.Split('\n');
        string changes = string.Join('\n', [.. before.Except(now).Select(l => "- " + l), .. now.Except(before).Select(l => "+ " + l)]);
        Assert.Fail($"The public surface of {library} has changed:\n{changes}\nIf that is meant, approve it: mv tests/Fathom.Tests/House/{receivedName} tests/Fathom.Tests/House/{approvedName}");
    }

    [Fact]
    public void The_text_names_what_a_caller_sees()
    {
        string text = PublicApiText.Of(Assembly.GetAssembly(typeof(ModelConfig))!);
        Assert.Contains("sealed record Fathom.Model.ModelConfig", text, StringComparison.Ordinal);
        Assert.Contains("  required int HeadDim { get; init; }", text, StringComparison.Ordinal);
        Assert.Contains("enum Fathom.Model.AttentionKind", text, StringComparison.Ordinal);
    }
}
