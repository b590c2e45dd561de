using System.Text.RegularExpressions;
using Fathom.Tests;
using Xunit;

namespace Fathom.Train.Tests.House;

public partial class DependencyTests
{
    /// <summary>
    /// Config, plan, names and formats, checkpoints and how they round weights, tokens and the prompt format of tasks, pictures, and the CPU's kernels and threads, the forward pass on a
    /// device it is given: no engine. Evaluation is apart: it asks a model that the engine runs, and the trainer knows nothing of it.
    /// </summary>
    [Fact]
    public void The_trainer_knows_nothing_of_the_engine()
    {
        string[] wrong = [.. Sources().Where(path => FolderOf(path) != "Evaluation" && Foreign().IsMatch(File.ReadAllText(path)))];
        Assert.True(wrong.Length == 0, string.Join('\n', wrong));
        Assert.Matches(Foreign(), "using Fathom.Engine;");
        Assert.DoesNotMatch(Foreign(), "using Fathom.Model;\nusing Fathom.Train.Model;\nusing Fathom.Cpu.Kernels;");
    }

    [Fact]
    public void Nothing_but_evaluation_knows_of_evaluation()
    {
        string[] wrong = [.. Sources().Where(path => FolderOf(path) != "Evaluation" && File.ReadAllText(path).Contains("Train.Evaluation", StringComparison.Ordinal))];
        Assert.True(wrong.Length == 0, string.Join('\n', wrong));
        Assert.Contains(Sources(), path => FolderOf(path) == "Evaluation");
    }

    private static string Root => TestFiles.Path("src", "Fathom.Train");

    private static string FolderOf(string path) => Path.GetRelativePath(Root, path).Split(Path.DirectorySeparatorChar)[0];

    private static IEnumerable<string> Sources() => Directory.EnumerateFiles(Root, "*.cs", SearchOption.AllDirectories)
        .Where(path => !Path.GetRelativePath(Root, path).Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj"));

    [GeneratedRegex(@"\bFathom\.(?!Train\b|Quantization\b|Model\b|Checkpoints\b|Tensors\b|Devices\b|Cpu\b|Text\b|Prompts\b|Pictures\b)[A-Z]\w*|\bCpuDevice\b")]
    private static partial Regex Foreign();
}
