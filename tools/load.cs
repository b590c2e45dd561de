#!/usr/bin/env dotnet
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false

// dotnet run -c Release tools/load.cs -- [STREAMS [SECONDS [CSV]]]: so many conversations at once (200, for 300 seconds) with the real server and the bundled model, three quarters of them with one key, a quarter with
// another. Prompts of many lengths, next turns, clients that leave in the middle. Prints what came, and whether it was fair; the exit code is 1 after an error. Needs a release build of the executable.
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
int streams = args.Length > 0 ? int.Parse(args[0]) : 200, seconds = args.Length > 1 ? int.Parse(args[1]) : 300;
using var server = new Server();
Uri address = await server.AddressAsync();
var samples = new List<Sample>();
var conversations = new List<Conversation>();
using var end = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
using var client = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = streams + 2 }) { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
long begin = Stopwatch.GetTimestamp();
Task[] work = [.. Enumerable.Range(0, streams).Select(i =>
{
    var conversation = new Conversation(client, Server.Keys[i % 4 == 3 ? 1 : 0], i);
    conversations.Add(conversation);
    return Task.Run(() => conversation.RunAsync(end.Token));
})];
// The first tenth of the time fills the queue.
double warm = seconds / 10.0;
while (!end.IsCancellationRequested)
{
    samples.Add(await Sample.TakeAsync(client, server, Stopwatch.GetElapsedTime(begin).TotalSeconds, conversations));
    try
    {
        await Task.Delay(TimeSpan.FromSeconds(Math.Min(10, seconds / 10.0)), end.Token);
    }
    catch (OperationCanceledException)
    {
        // The end.
    }
}
samples.Add(await Sample.TakeAsync(client, server, Stopwatch.GetElapsedTime(begin).TotalSeconds, conversations));
await Task.WhenAll(work);
return Report.Write(samples, conversations, warm, args.Length > 2 ? args[2] : null);

/// <summary>The process under load.</summary>
internal sealed class Server : IDisposable
{
    public static readonly string[] Keys = ["key-of-three-quarters", "key-of-one-quarter"];

    private readonly string _folder = Directory.CreateTempSubdirectory("fathom-load-").FullName;
    private readonly Process _process;

    public Server()
    {
        string executable = Path.Combine("src", "Fathom.Cli", "bin", "Release", "net10.0", OperatingSystem.IsWindows() ? "fathom.exe" : "fathom");
        string keys = Path.Combine(_folder, "keys.txt");
        File.WriteAllText(keys, string.Join('\n', Keys));
        string[] arguments = ["serve", "--port", "0", "--api-keys", keys, "--cache-dir", Path.Combine(_folder, "cache"), "--memory", "1", "--log", "none"];
        _process = Process.Start(new ProcessStartInfo(executable, arguments) { RedirectStandardError = true })!;
    }

    public long Memory => Refreshed().WorkingSet64;

    public TimeSpan Processor => Refreshed().TotalProcessorTime;

    public async Task<Uri> AddressAsync()
    {
        const string Said = "Base address for clients: ";
        var said = new StringBuilder();
        while (await _process.StandardError.ReadLineAsync() is { } line)
        {
            said.AppendLine(line);
            if (line.Contains(Said, StringComparison.Ordinal))
            {
                _ = _process.StandardError.ReadToEndAsync();
                return new Uri(line[(line.IndexOf(Said, StringComparison.Ordinal) + Said.Length)..].Trim().Replace("/v1", "/"));
            }
        }
        throw new InvalidOperationException($"fathom serve ended before it was ready:\n{said}");
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private Process Refreshed()
    {
        _process.Refresh();
        return _process;
    }
}

/// <summary>One client: asks, reads the stream, asks again, sometimes in the same conversation, and sometimes leaves in the middle.</summary>
internal sealed class Conversation(HttpClient client, string key, int number)
{
    private static readonly string[] s_words = "the king and his men went down to the sea where ships of the old people lay in sand before winter came again".Split(' ');

    private readonly Random _random = new(number);
    private readonly List<(string Role, string Text)> _messages = [];
    private long _tokens;

    public string Key => key;

    public List<double> First { get; } = [];

    public List<double> Between { get; } = [];

    public List<string> Errors { get; } = [];

    public int Requests { get; private set; }

    public int Left { get; private set; }

    /// <summary>Tokens that the engine computed for it: prompts without what was cached, and replies.</summary>
    public long Tokens => Volatile.Read(ref _tokens);

    public async Task RunAsync(CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested)
        {
            if (_messages.Count is 0 or > 6 || _random.Next(3) > 0)
            {
                _messages.Clear();
            }
            _messages.Add(("user", Words(_random.Next(20) == 0 ? 1500 : _random.Next(8, 120))));
            try
            {
                await AskAsync(_random.Next(15) == 0 ? _random.Next(1, 8) : int.MaxValue, cancellation);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (Exception e) when (e is HttpRequestException or IOException or JsonException)
            {
                Errors.Add(e.Message);
            }
        }
    }

    private async Task AskAsync(int pieces, CancellationToken cancellation)
    {
        using HttpRequestMessage request = Request();
        long sent = Stopwatch.GetTimestamp(), last = 0;
        using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
        if (!response.IsSuccessStatusCode)
        {
            throw new HttpRequestException($"{(int)response.StatusCode}: {await response.Content.ReadAsStringAsync(cancellation)}");
        }
        var reply = new StringBuilder();
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(cancellation));
        while (await lines.ReadLineAsync(cancellation) is { } line)
        {
            if (!line.StartsWith("data: {", StringComparison.Ordinal))
            {
                continue;
            }
            using JsonDocument chunk = JsonDocument.Parse(line.AsMemory(6));
            if (Text(chunk) is { Length: > 0 } text)
            {
                reply.Append(text);
                long now = Stopwatch.GetTimestamp();
                (last == 0 ? First : Between).Add(Stopwatch.GetElapsedTime(last == 0 ? sent : last, now).TotalSeconds);
                last = now;
                Interlocked.Increment(ref _tokens);
                if (--pieces == 0)
                {
                    Left++;
                    _messages.Clear();
                    return;                                                               // disposing the response closes the connection
                }
            }
            if (chunk.RootElement.TryGetProperty("error", out JsonElement error))
            {
                throw new HttpRequestException(error.ToString());
            }
            if (chunk.RootElement.TryGetProperty("usage", out JsonElement usage) && usage.ValueKind == JsonValueKind.Object)
            {
                Interlocked.Add(ref _tokens, usage.GetProperty("prompt_tokens").GetInt64() - usage.GetProperty("prompt_cache_hit_tokens").GetInt64());
            }
        }
        Requests++;
        _messages.Add(("assistant", reply.ToString()));
    }

    private HttpRequestMessage Request()
    {
        var body = new
        {
            messages = _messages.Select(message => new { role = message.Role, content = message.Text }),
            thinking = new { type = "disabled" },
            temperature = 1,
            seed = _random.Next(),
            max_tokens = _random.Next(32, 256),
            stream = true,
            stream_options = new { include_usage = true },
        };
        var request = new HttpRequestMessage(HttpMethod.Post, "v1/chat/completions")
        {
            Content = new StringContent(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json"),
        };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return request;
    }

    private string Words(int count) => string.Join(' ', Enumerable.Range(0, count).Select(_ => s_words[_random.Next(s_words.Length)]));

    private static string? Text(JsonDocument chunk) =>
        chunk.RootElement.TryGetProperty("choices", out JsonElement choices) && choices.GetArrayLength() > 0
        && choices[0].GetProperty("delta").TryGetProperty("content", out JsonElement content) ? content.GetString() : null;
}

/// <summary>What is so at a moment.</summary>
internal sealed record Sample(double Seconds, long Memory, double Processor, double Steps, double Forward, double Written, double Running, double Waiting, long Many, long Few)
{
    public static async Task<Sample> TakeAsync(HttpClient client, Server server, double seconds, List<Conversation> conversations)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "metrics");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Server.Keys[0]);
        using HttpResponseMessage response = await client.SendAsync(request);
        string text = await response.Content.ReadAsStringAsync();
        double Value(string name) => text.Split('\n').Where(line => line.StartsWith(name + "{", StringComparison.Ordinal) || line.StartsWith(name + " ", StringComparison.Ordinal))
            .Sum(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..]));
        long Tokens(string key) => conversations.Where(conversation => conversation.Key == key).Sum(conversation => conversation.Tokens);
        return new Sample(
            seconds, server.Memory, server.Processor.TotalSeconds, Value("fathom:engine_step_seconds_total"), Value("fathom:engine_forward_seconds_total"),
            Value("vllm:generation_tokens_total"), Value("vllm:num_requests_running"), Value("vllm:num_requests_waiting"), Tokens(Server.Keys[0]), Tokens(Server.Keys[1]));
    }
}

/// <summary>The table and the CSV.</summary>
internal static class Report
{
    public static int Write(List<Sample> samples, List<Conversation> conversations, double warm, string? csv)
    {
        Sample first = samples.First(sample => sample.Seconds >= warm), last = samples[^1];
        double time = last.Seconds - first.Seconds, written = last.Written - first.Written;
        double many = (last.Many - first.Many) / time, few = (last.Few - first.Few) / time;
        string[] errors = [.. conversations.SelectMany(conversation => conversation.Errors)];
        (string Name, string Value)[] rows =
        [
            ("streams", $"{conversations.Count}"),
            ("seconds", $"{last.Seconds:F0}"),
            ("requests that ended", $"{conversations.Sum(conversation => conversation.Requests)}"),
            ("clients that left", $"{conversations.Sum(conversation => conversation.Left)}"),
            ("errors", $"{errors.Length}"),
            ("streams without a reply", $"{conversations.Count(conversation => conversation.First.Count == 0)}"),
            ("tokens written a second", $"{written / time:F0}"),
            ("tokens computed a second, key of three quarters of the streams", $"{many:F0}"),
            ("tokens computed a second, key of a quarter", $"{few:F0}"),
            ("their ratio", $"{many / few:F3}"),
            ("seconds to the first token, p50", $"{Quantile(conversations.SelectMany(c => c.First), 0.5):F2}"),
            ("seconds to the first token, p99", $"{Quantile(conversations.SelectMany(c => c.First), 0.99):F2}"),
            ("milliseconds between tokens, p50", $"{1000 * Quantile(conversations.SelectMany(c => c.Between), 0.5):F1}"),
            ("milliseconds between tokens, p99", $"{1000 * Quantile(conversations.SelectMany(c => c.Between), 0.99):F1}"),
            ("microseconds of the engine's thread beyond the forward pass, a token", $"{1e6 * (last.Steps - first.Steps - last.Forward + first.Forward) / written:F1}"),
            ("share of the time in forward passes", $"{(last.Forward - first.Forward) / time:F3}"),
            ("processor seconds a second", $"{(last.Processor - first.Processor) / time:F2}"),
            ("resident MB after a tenth of the time", $"{first.Memory / 1e6:F0}"),
            ("resident MB at the end", $"{last.Memory / 1e6:F0}"),
        ];
        foreach ((string name, string value) in rows)
        {
            Console.WriteLine($"{value,10}  {name}");
        }
        foreach (IGrouping<string, string> kind in errors.GroupBy(error => error).OrderByDescending(kind => kind.Count()).Take(10))
        {
            Console.WriteLine($"{kind.Count(),10}  {kind.Key}");
        }
        if (csv is not null)
        {
            File.WriteAllLines(csv, [
                "seconds,residentBytes,processorSeconds,stepSeconds,forwardSeconds,writtenTokens,running,waiting,tokensOfMany,tokensOfFew",
                .. samples.Select(s => $"{s.Seconds:F1},{s.Memory},{s.Processor:F1},{s.Steps:F2},{s.Forward:F2},{s.Written},{s.Running},{s.Waiting},{s.Many},{s.Few}"),
                .. rows.Select(row => $"# {row.Name}: {row.Value}")]);
        }
        return errors.Length == 0 ? 0 : 1;
    }

    private static double Quantile(IEnumerable<double> values, double share)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length == 0 ? double.NaN : sorted[(int)Math.Min(sorted.Length - 1, share * sorted.Length)];
    }
}
