using System.CommandLine;
using Fathom.Cpu;
using Fathom.Text;
using Fathom.Verification;

namespace Fathom.Cli;

/// <summary><c>fathom verify</c>: a model against a golden case, or prompts and tokenizer against golden texts.</summary>
internal static class VerifyCommand
{
    private const int DefaultChunk = 512;

    public static Command Create()
    {
        Option<string?> model = Arguments.Model();
        var golden = new Option<string>("--case")
        {
            Description = "A folder with case.json and case.safetensors, or a chat.json, replies.json or tokenizer.json with golden texts.",
            HelpName = "DIR|FILE",
            Required = true,
        };
        var chunk = new Option<int>("--chunk") { Description = "Tokens of the prompt in one pass.", HelpName = "N", DefaultValueFactory = _ => DefaultChunk };
        chunk.Validators.Add(result => Arguments.InRange(result, 1, int.MaxValue));
        var allowUnused = new Option<bool>("--allow-unused") { Description = "Accept tensors in the checkpoint that belong to no weight." };
        Option<int> threads = Arguments.Threads();
        Option<bool> json = Arguments.Json();
        Option<bool> quiet = Arguments.Quiet();

        var command = new CommandWithExample(
            "verify",
            "Compares a model with what DeepSeek's code computed and prints each error against its tolerance. Exit code 1 when any check fails.",
            "fathom verify --model tests/goldens/d_flash --case tests/goldens/d_flash")
        {
            model, golden, chunk, allowUnused, threads, json, quiet,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            string modelPath = parsed.GetValue(model) ?? Arguments.BundledModel;
            string casePath = FolderOf(parsed.GetValue(golden)!);     // required
            bool talks = !parsed.GetValue(quiet);
            if (talks)
                Console.Error.WriteLine($"Comparing {ModelFiles.NameOf(modelPath)} with {ModelFiles.NameOf(casePath)}…");
            (int chunkSize, int threadCount, bool unused) = (parsed.GetValue(chunk), parsed.GetValue(threads), parsed.GetValue(allowUnused));
            var notes = new List<string>();
            Func<IReadOnlyList<Check>> verify = File.Exists(casePath)
                ? () => TextVerifier.Run(casePath, Tokenizer.Load(modelPath), notes.Add)
                : () => RunCase(modelPath, casePath, threadCount, chunkSize, unused, notes.Add);
            IReadOnlyList<Check> checks = await Task.Run(verify, cancellation).WaitAsync(cancellation).ConfigureAwait(false);
            if (talks)
                notes.ForEach(Console.Error.WriteLine);
            var report = new VerifyReport(checks, notes);
            if (parsed.GetValue(json))
                report.WriteJson(Console.OpenStandardOutput());
            else
                report.WriteText(Console.Out);
            return report.Pass ? ExitCode.Success : ExitCode.Failed;
        });
        return command;
    }

    /// <summary>A case is a folder; its case.json stands for it.</summary>
    private static string FolderOf(string path) => Path.GetFileName(path) == "case.json" ? Path.GetDirectoryName(Path.GetFullPath(path))! : path;     // a file has a folder

    private static IReadOnlyList<Check> RunCase(string model, string golden, int threads, int chunk, bool allowUnused, Action<string> note)
    {
        ModelFiles.ReadConfig(model);                       // tells of keys that the engine doesn't obey
        using var device = new CpuDevice(threads);
        return CaseVerifier.Run(model, golden, device, chunk, allowUnused, note);
    }
}
