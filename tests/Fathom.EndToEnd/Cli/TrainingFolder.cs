using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Fathom.Tests;

namespace Fathom.EndToEnd.Cli;

/// <summary>A copy of runs/tiny with other settings, and the folders its runs write to; removed afterwards.</summary>
internal sealed class TrainingFolder : IDisposable
{
    // A busy machine may take many times the seconds that a run needs.
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(2);

    private readonly TempFolder _folder = new();

    /// <summary>The settings of runs/tiny with some changed; paths that stay are made absolute.</summary>
    public TrainingFolder(params (string Key, JsonNode? Value)[] changes)
    {
        string tiny = TestFiles.Path("runs", "tiny");
        JsonNode settings = JsonNode.Parse(File.ReadAllText(Path.Combine(tiny, "run.json")), null, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip })!;    // an object
        settings["model"] = Path.Combine(tiny, "config.json");
        settings["tokenizer"] = TestFiles.Path("models", "seed");
        settings["texts"] = new JsonArray(Path.Combine(tiny, "train.txt"));
        settings["heldOut"] = Path.Combine(tiny, "heldout.txt");
        foreach ((string key, JsonNode? value) in changes)
            settings[key] = value?.DeepClone();
        Config = _folder.Write("run.json", System.Text.Encoding.UTF8.GetBytes(settings.ToJsonString()));
    }

    /// <summary>Path of the settings.</summary>
    public string Config { get; }

    /// <summary>A path in the folder.</summary>
    public string At(params string[] parts) => _folder.Path(parts);

    /// <summary>Trains to the end, or to an error.</summary>
    public Task<FathomProcess> RunAsync(string output, CancellationToken cancellation) => RunAsync(Config, At(output), cancellation);

    /// <summary>Trains with any settings into any folder.</summary>
    public static Task<FathomProcess> RunAsync(string config, string output, CancellationToken cancellation) =>
        EndAsync(Start(FathomProcess.ExecutablePath, ["train", "--config", config, "--output", output, "--quiet"]), cancellation);

    /// <summary>Trains in a shell that has run <paramref name="limits"/> before.</summary>
    public Task<FathomProcess> RunInShellAsync(string limits, string output, CancellationToken cancellation) =>
        EndAsync(Start("/bin/bash", ["-c", $"{limits}; exec \"$0\" \"$@\"", FathomProcess.ExecutablePath, "train", "--config", Config, "--output", At(output), "--quiet"]), cancellation);

    /// <summary>Trains until a moment has come, then kills the process, which learns nothing of it.</summary>
    /// <returns>whether it was killed, not at its end already</returns>
    public async Task<bool> KillAsync(string output, Func<bool> moment, CancellationToken cancellation)
    {
        using Process process = Start(FathomProcess.ExecutablePath, ["train", "--config", Config, "--output", At(output), "--quiet"]);
        Task<FathomProcess> end = EndAsync(process, cancellation);
        while (!end.IsCompleted && !moment())
            await Task.Delay(s_look, cancellation);
        process.Kill();                                     // SIGKILL
        return (await end).ExitCode != 0;
    }

    public void Dispose() => _folder.Dispose();

    private static Process Start(string program, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Path.GetTempPath() };
        return Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
    }

    private static async Task<FathomProcess> EndAsync(Process process, CancellationToken cancellation)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(s_patience);
        try
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(patience.Token), error = process.StandardError.ReadToEndAsync(patience.Token);
            await process.WaitForExitAsync(patience.Token);
            return new FathomProcess(process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"fathom train did not end within {s_patience.TotalMinutes} minutes.");
        }
    }
}
