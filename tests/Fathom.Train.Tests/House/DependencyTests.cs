using System.Text.RegularExpressions;
using Fathom.Tests;
using Xunit;

namespace Fathom.Train.Tests.House;

public partial class DependencyTests
{
    /// <summary>Config, plan, names and formats, checkpoints and how they round weights, tokens and the prompt format of tasks, and the CPU's kernels and threads: nothing that runs a model.</summary>
    [Fact]
    public void The_trainer_knows_nothing_of_the_engine()
    {
        string root = TestFiles.Path("src", "Fathom.Train");
        string[] wrong = [.. Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)
            .Where(path => !Path.GetRelativePath(root, path).Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj"))
            .Where(path => Foreign().IsMatch(File.ReadAllText(path)))];
        Assert.True(wrong.Length == 0, string.Join('\n', wrong));
        Assert.Matches(Foreign(), "using Fathom.Engine;");
        Assert.DoesNotMatch(Foreign(), "using Fathom.Model;\nusing Fathom.Train.Model;\nusing Fathom.Cpu.Kernels;");
    }

    [GeneratedRegex(@"\bFathom\.(?!Train\b|Quantization\b|Model\b|Checkpoints\b|Tensors\b|Devices\b|Cpu\b|Text\b|Prompts\b)[A-Z]\w*|\bCpuDevice\b")]
    private static partial Regex Foreign();
}
