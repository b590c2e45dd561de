using System.Text.RegularExpressions;
using Fathom.Tools;
using Xunit;

namespace Fathom.Tests.House;

/// <summary>What may know what. The folders of the library are its layers; dependencies point down.</summary>
public partial class DependencyTests
{
    private static readonly Dictionary<string, string[]> s_allowed = new()
    {
        ["Formats"] = [],
        ["Tensors"] = ["Formats"],
        ["Devices"] = ["Tensors", "Formats"],
        ["Cpu"] = ["Devices", "Tensors", "Formats"],
        ["Model"] = ["Devices", "Tensors", "Formats"],
        ["Pictures"] = [],
        ["Planning"] = ["Model", "Devices", "Tensors"],   // Devices for counts of operations, Tensors for layouts and for pages to measure
        ["Checkpoints"] = ["Model", "Devices", "Tensors", "Formats"],
        ["Quantization"] = ["Checkpoints", "Model", "Devices", "Tensors", "Formats"],   // Devices for the scoring function that a config names
        ["Benchmarking"] = ["Pictures", "Planning", "Checkpoints", "Model", "Devices", "Tensors", "Formats"],
        ["Text"] = ["Checkpoints"],                       // for its exception: tokenizer.json is a file beside the checkpoint
        ["Prompts"] = ["Text"],
        ["Cache"] = ["Model", "Devices", "Tensors", "Formats"],
        ["Verification"] = ["Engine", "Checkpoints", "Prompts", "Text", "Model", "Devices", "Tensors"],
        ["Serving"] = ["Grammars", "Engine", "Cache", "Prompts", "Text", "Model", "Devices", "Tensors"],
        ["Grammars"] = ["Engine", "Prompts", "Text"],
        ["Engine"] = ["Cache", "Checkpoints", "Prompts", "Text", "Model", "Devices", "Tensors", "Formats"],
    };

    [Fact]
    public void Layers_know_only_the_layers_below()
    {
        var wrong = new List<string>();
        foreach ((string path, string code) in Library())
        {
            string layer = LayerOf(path);
            Assert.True(s_allowed.ContainsKey(layer), $"{path}: '{layer}' is not a layer of the table in DependencyTests; add it with what it may know.");
            wrong.AddRange(Mentions().Matches(code).Select(m => m.Groups[1].Value).Distinct()
                .Where(known => known != layer && !s_allowed[layer].Contains(known))
                .Select(known => $"{path}: {layer} must not know {known}."));
        }

        AssertNone(wrong);
    }

    [Fact]
    public void Folders_are_namespaces() => AssertNone(
        from file in Library()
        let expected = "Fathom." + Path.GetDirectoryName(file.Path)!.Replace('\\', '/').Replace('/', '.')
        let found = NamespaceLine().Match(file.Code).Groups[1].Value
        where found != expected
        select $"{file.Path}: expected namespace {expected}, found '{found}'.");

    [Fact]
    public void Usings_of_our_own_namespaces_stand_in_each_file() => AssertFree("src", "global using of our own namespace", GlobalUsing());

    [Fact]
    public void Unsafe_code_stays_where_bytes_are() => AssertFree("src", "unsafe", Unsafe(),
        except: ["Fathom/Tensors/", "Fathom/Cpu/", "Fathom/Checkpoints/"]);

    [Fact]
    public void No_library_reads_the_environment() => AssertFree("src", "an environment variable", EnvironmentVariable(), except: ["Fathom.Cli/"]);

    [Fact]
    public void The_model_knows_no_vector_and_no_processor() => AssertFree("src/Fathom/Model", "Vector or Cpu", VectorOrCpu());

    [Fact]
    public void Kernels_know_spans_and_numbers_only() =>
        AssertFree("src/Fathom/Cpu/Kernels", "a tensor, config, weights or cache type", ModelTypes());

    [Fact]
    public void The_engine_has_one_thread_and_no_wire_format()
    {
        foreach (string folder in new[] { "src/Fathom/Engine", "src/Fathom/Serving" })
            AssertFree(folder, "Task.Run, a device's type, JSON or HTTP", ForeignToEngine());
    }

    [Fact]
    public void Who_runs_a_model_in_process_needs_no_server() => AssertFree("src/Fathom.Extensions.AI", "a server", Server());

    [Fact]
    public void Prompts_touch_no_file() => AssertFree("src/Fathom/Prompts", "a file", FileAccess());

    [Fact]
    public void The_rules_see_what_they_forbid()
    {
        Assert.Matches(Mentions(), "using Fathom.Cpu.Kernels;");
        Assert.Matches(Unsafe(), SourceText.CodeOf("public unsafe void F() { }"));
        Assert.DoesNotMatch(Unsafe(), SourceText.CodeOf("// unsafe\nvar s = \"unsafe\";"));
        Assert.Matches(EnvironmentVariable(), "Environment.GetEnvironmentVariable(x)");
        Assert.Matches(VectorOrCpu(), "Vector512<float> x;");
        Assert.Matches(ModelTypes(), "Run(in Tensor x)");
        Assert.Matches(ModelTypes(), "Run(WeightMatrix w)");
        Assert.DoesNotMatch(ModelTypes(), "TensorPrimitives.Sum(x)");
        Assert.Matches(ForeignToEngine(), "Task.Run(() => x)");
        Assert.Matches(Server(), "using Microsoft.AspNetCore.Http;");
    }

    private static void AssertFree(string folder, string what, Regex forbidden, string[]? except = null) => AssertNone(
        from file in Sources(folder)
        where !(except ?? []).Any(file.Path.StartsWith)
        from Match match in forbidden.Matches(file.Code)
        select $"{folder}/{file.Path}({1 + file.Code.AsSpan(0, match.Index).Count('\n')}): '{match.Value}' mentions {what}, which has no place there.");

    private static void AssertNone(IEnumerable<string> wrong)
    {
        string[] sentences = [.. wrong];
        Assert.True(sentences.Length == 0, string.Join('\n', sentences));
    }

    private static IEnumerable<(string Path, string Code)> Library() => Sources("src/Fathom");

    /// <summary>Files below a folder, with paths from there and code without comments and strings; none when the folder is absent.</summary>
    private static IEnumerable<(string Path, string Code)> Sources(string folder)
    {
        string root = TestFiles.Path(folder.Split('/'));
        if (!Directory.Exists(root))
            return [];
        return Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)
            .Select(path => (Path: Path.GetRelativePath(root, path).Replace('\\', '/'), Full: path))
            .Where(file => !file.Path.Split('/').Any(part => part is "bin" or "obj"))
            .Select(file => (file.Path, SourceText.CodeOf(File.ReadAllText(file.Full))));
    }

    private static string LayerOf(string path) => path.Split('/')[0];

    [GeneratedRegex(@"\bFathom\.(\w+)")]
    private static partial Regex Mentions();

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex NamespaceLine();

    [GeneratedRegex(@"global using (static )?Fathom\b")]
    private static partial Regex GlobalUsing();

    [GeneratedRegex(@"\bunsafe\b")]
    private static partial Regex Unsafe();

    [GeneratedRegex(@"\bGetEnvironmentVariables?\b|\bExpandEnvironmentVariables\b")]
    private static partial Regex EnvironmentVariable();

    [GeneratedRegex(@"\bVector(64|128|256|512)\b|\bVector\s*<|\bSystem\.Runtime\.Intrinsics\b|\bCpu\w*")]
    private static partial Regex VectorOrCpu();

    [GeneratedRegex(@"\b(Tensor|WeightMatrix|Storage|HostStorage|ModelConfig|LayerPlan|LayerWeights|LayerCache|SequenceCache|Workspace)\b")]
    private static partial Regex ModelTypes();

    [GeneratedRegex(@"\bTask\.Run\b|\bCpuDevice\b|\bSystem\.Text\.Json\b|\bSystem\.Net\b|\bJson(Document|Serializer)\b|\bHttp\w+")]
    private static partial Regex ForeignToEngine();

    [GeneratedRegex(@"\bMicrosoft\.AspNetCore\b|\bFathom\.Server\b")]
    private static partial Regex Server();

    [GeneratedRegex(@"\b(File|FileInfo|FileStream|Directory|DirectoryInfo)\b")]
    private static partial Regex FileAccess();
}
