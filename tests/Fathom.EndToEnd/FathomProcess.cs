using System.Diagnostics;
using System.Text;

namespace Fathom.EndToEnd;

/// <summary>One run of the real executable: what it returned and what it wrote.</summary>
internal sealed record FathomProcess(int ExitCode, string Output, string Error)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    /// <summary>Runs the executable to its end, with <paramref name="input"/> on stdin; the folder is not the repository's.</summary>
    public static Task<FathomProcess> RunAsync(string[] arguments, string input, CancellationToken cancellation) =>
        RunAsync(arguments, Encoding.UTF8.GetBytes(input), cancellation);

    /// <summary>The same with any bytes on stdin.</summary>
    public static Task<FathomProcess> RunAsync(string[] arguments, byte[] input, CancellationToken cancellation) => RunAsync(ExecutablePath, arguments, input, cancellation);

    /// <summary>The same with another executable.</summary>
    public static async Task<FathomProcess> RunAsync(string executable, string[] arguments, byte[] input, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo(executable, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
            WorkingDirectory = Path.GetTempPath(),
        };
        using Process process = Process.Start(start) ?? throw new InvalidOperationException($"{executable} did not start.");
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(s_patience);
        try
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(patience.Token);
            Task<string> error = process.StandardError.ReadToEndAsync(patience.Token);
            await process.StandardInput.BaseStream.WriteAsync(input, patience.Token);
            process.StandardInput.Close();
            await process.WaitForExitAsync(patience.Token);
            return new FathomProcess(process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{Path.GetFileName(executable)} {string.Join(' ', arguments)} did not end within {s_patience.TotalSeconds} seconds.");
        }
    }

    /// <summary>Runs with nothing on stdin.</summary>
    public static Task<FathomProcess> RunAsync(params string[] arguments) => RunAsync(arguments, "", Xunit.TestContext.Current.CancellationToken);

    /// <summary>The executable of the configuration that these tests were built in: …/tests/X/bin/CONFIGURATION/FRAMEWORK/ beside …/src/Fathom.Cli/bin/….</summary>
    public static string ExecutablePath { get; } = Find("src", "Fathom.Cli", "fathom");

    /// <summary>The executable of a project beside that one.</summary>
    public static string Find(string folder, string project, string name)
    {
        var framework = new DirectoryInfo(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));
        DirectoryInfo? root = framework;
        while (root is not null && !File.Exists(Path.Combine(root.FullName, "Fathom.slnx")))
            root = root.Parent;
        if (root is null || framework.Parent is null)
            throw new InvalidOperationException($"No folder above {framework} holds Fathom.slnx.");

        return Path.Combine(root.FullName, folder, project, "bin", framework.Parent.Name, framework.Name, OperatingSystem.IsWindows() ? name + ".exe" : name);
    }
}
