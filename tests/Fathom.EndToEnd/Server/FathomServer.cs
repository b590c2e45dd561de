using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Xunit;

namespace Fathom.EndToEnd.Server;

/// <summary>The real executable as a server, on a free port, with a store of its own.</summary>
internal sealed class FathomServer : IAsyncDisposable
{
    private const string Ready = "Base address for clients: ";

    private readonly Process _process;
    private readonly StringBuilder _errors = new();
    private readonly TaskCompletionSource<Uri> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private FathomServer(Process process)
    {
        _process = process;
        process.ErrorDataReceived += (_, line) => Read(line.Data);
        process.Exited += (_, _) => _address.TrySetException(new InvalidOperationException($"fathom serve ended before it was ready:\n{Errors}"));
        process.EnableRaisingEvents = true;
        process.BeginErrorReadLine();
    }

    public HttpClient Client { get; private set; } = new();

    /// <summary>…/v1.</summary>
    public Uri Address => _address.Task.Result;

    public int ExitCode => _process.ExitCode;

    public string Errors
    {
        get
        {
            lock (_errors)
            {
                return _errors.ToString();
            }
        }
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <param name="cache">folder of the store</param> <param name="arguments">besides port and store</param>
    public static Task<FathomServer> StartAsync(string cache, params string[] arguments) => StartWithAsync([], cache, arguments);

    /// <param name="environment">variables</param> <param name="cache">folder of the store</param> <param name="arguments">besides port and store</param>
    public static async Task<FathomServer> StartWithAsync(Dictionary<string, string> environment, string cache, params string[] arguments)
    {
        var start = new ProcessStartInfo(FathomProcess.ExecutablePath, ["serve", "--port", "0", "--cache-dir", cache, "--memory", "1", .. arguments])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            WorkingDirectory = Path.GetTempPath(),
        };
        start.Environment.Remove("FATHOM_API_KEYS");
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }
        var server = new FathomServer(Process.Start(start) ?? throw new InvalidOperationException("fathom did not start."));
        Uri address = await server._address.Task.WaitAsync(TimeSpan.FromMinutes(2), Cancellation);
        // What listens on every address is reached at this machine's own.
        var own = new UriBuilder(address) { Host = "127.0.0.1", Path = "" };
        server.Client = new HttpClient { BaseAddress = own.Uri, Timeout = TimeSpan.FromMinutes(2) };
        return server;
    }

    public async Task<JsonElement> PostAsync(string path, string body)
    {
        HttpResponseMessage response = await Client.PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"), Cancellation);
        return JsonDocument.Parse(await response.Content.ReadAsStringAsync(Cancellation)).RootElement;
    }

    /// <summary>Ctrl-C, and waits for the end.</summary>
    public async Task InterruptAsync()
    {
        await SignalAsync("INT");
        await WaitForEndAsync();
    }

    /// <summary>Sends a signal.</summary>
    /// <param name="name">such as TERM</param>
    public async Task SignalAsync(string name)
    {
        using Process kill = Process.Start("kill", [$"-{name}", _process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(Cancellation);
    }

    /// <summary>Waits for the end.</summary>
    public Task WaitForEndAsync() => _process.WaitForExitAsync(Cancellation).WaitAsync(TimeSpan.FromSeconds(30), Cancellation);

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync(CancellationToken.None);
        }
        _process.Dispose();
    }

    private void Read(string? line)
    {
        lock (_errors)
        {
            _errors.AppendLine(line);
        }
        if (line?.IndexOf(Ready, StringComparison.Ordinal) is >= 0 and int at)
        {
            _address.TrySetResult(new Uri(line[(at + Ready.Length)..]));
        }
    }
}
