using System.Reflection;
using Fathom.Model;
using Xunit;

namespace Fathom.Tests.House;

/// <summary>The library's public surface as text, so that a change of it is seen and meant.</summary>
public class PublicApiTests
{
    private const string Approved = "PublicApi.approved.txt";
    private const string Received = "PublicApi.received.txt";

    [Fact]
    public void The_public_surface_is_the_approved_one()
    {
        string folder = TestFiles.Path("tests", "Fathom.Tests", "House");
        string approvedPath = Path.Combine(folder, Approved);
        string received = PublicApiText.Of(typeof(ModelConfig).Assembly);
        string approved = File.Exists(approvedPath) ? File.ReadAllText(approvedPath).ReplaceLineEndings("\n") : "";
        string receivedPath = Path.Combine(folder, Received);
        if (approved == received)
        {
            File.Delete(receivedPath);
            return;
        }

        File.WriteAllText(receivedPath, received);
        string[] before = approved.Split('\n');
        string[] now = received.Split('\n');
        string changes = string.Join('\n', [.. before.Except(now).Select(l => "- " + l), .. now.Except(before).Select(l => "+ " + l)]);
        Assert.Fail($"The public surface has changed:\n{changes}\nIf that is meant, approve it: mv tests/Fathom.Tests/House/{Received} tests/Fathom.Tests/House/{Approved}");
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
