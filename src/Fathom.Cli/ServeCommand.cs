using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using System.Text.Json;
using Fathom.Cache;
using Fathom.Devices;
using Fathom.Engine;
using Fathom.Prompts;
using Fathom.Server;
using Fathom.Serving;

namespace Fathom.Cli;

/// <summary><c>fathom serve</c>: answers over HTTP, in the formats that clients already speak.</summary>
internal static class ServeCommand
{
    public const string Name = "serve";

    private const int DefaultPort = 8080;
    private const int DefaultDrain = 30;
    private const int DrainMax = 3600;
    private const string KeysVariable = "FATHOM_API_KEYS";
    private const string PasswordVariable = "FATHOM_CERTIFICATE_PASSWORD";

    // For the last words to clients.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    /// <summary>What ending may take: requests finish, then sequences are saved.</summary>
    public static readonly TimeSpan EndingTime = TimeSpan.FromSeconds(2 * DrainMax);

    public static Command Create()
    {
        var options = new Options();
        var command = new CommandWithExample(
            Name,
            "Answers over HTTP: Chat Completions with streaming, tools and thinking, completions, models. Many requests run at once; a next turn goes "
                + "on from memory or from the disk. "
            + "Listens on this machine alone unless there are API keys. Ctrl-C ends it when the requests that run are done.",
            "fathom serve --port 8080");
        options.AddTo(command);
        command.SetAction((parsed, cancellation) => RunAsync(options, parsed, cancellation));
        return command;
    }

    private static async Task<int> RunAsync(Options options, ParseResult parsed, CancellationToken cancellation)
    {
        bool quiet = parsed.GetValue(options.Quiet);
        using var observation = new ServeObservation(quiet ? ServeObservation.None : parsed.GetValue(options.Log)!);      // it has a default
        await using ServerHost host = Host(options, parsed, observation);
        await host.StartAsync(cancellation).ConfigureAwait(false);
        if (!quiet)
            Console.Error.WriteLine($"Listening on {string.Join(", ", host.Addresses)}, loading the model.");
        // Loading a large model takes minutes and knows no end before its own.
        using ModelSession session = await Task.Run(
            () => ModelSession.Open(
                parsed.GetValue(options.Model) ?? Arguments.BundledModel, parsed.GetValue(options.Threads), parsed.GetValue(options.Numeric),
                parsed.GetValue(options.AllowUnused)),
            CancellationToken.None).WaitAsync(cancellation).ConfigureAwait(false);
        using var engine = new ServingEngine(session.Model, session.Device, session.Tokenizer, options.Serving(parsed, session));
        host.Serve(engine);
        if (!quiet)
        {
            Console.Error.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{engine.ModelName} is ready: context {engine.Context:N0} tokens, {engine.Fingerprint}. Base "
                    + $"address for clients: {host.Addresses.First()}/v1"));
        }
        try
        {
            await Task.Delay(Timeout.Infinite, cancellation).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Asked to end.
        }
        await EndAsync(host, engine, TimeSpan.FromSeconds(parsed.GetValue(options.Drain)), quiet).ConfigureAwait(false);
        return ExitCode.Success;
    }

    /// <summary>
    /// Takes no more requests and lets those that run come to their end within a time; then ends them where they are, and they tell their clients so. Asked a
    /// second time to end, it waits no longer.
    /// </summary>
    private static async Task EndAsync(ServerHost host, ServingEngine engine, TimeSpan drain, bool quiet)
    {
        using var over = new CancellationTokenSource();
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Hurry);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Hurry);
        using var patience = new CancellationTokenSource();
        if (!quiet && engine.RequestCount > 0)
            Console.Error.WriteLine($"Ending: {engine.RequestCount} requests have {drain.TotalSeconds:N0} seconds to finish. Ctrl-C ends them now.");
        Task stopped = host.StopAsync(patience.Token);
        try
        {
            await stopped.WaitAsync(drain, over.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            // Said below.
        }
        engine.Dispose();                                                                 // which may save for a while
        // What it has ended is sent to its clients.
        patience.CancelAfter(s_patience);
        await stopped.ConfigureAwait(false);

        void Hurry(PosixSignalContext signal)
        {
            signal.Cancel = true;
            over.Cancel();
        }
    }

    private static ServerHost Host(Options options, ParseResult parsed, ServeObservation observation)
    {
        IPEndPoint[] listen = options.Addresses(parsed);
        ServerCertificate? certificate = options.Certificate(parsed);
        ApiKeys keys = Keys(parsed.GetValue(options.ApiKeys));
        if (certificate is null && keys.Count > 0 && Array.Exists(listen, address => !IPAddress.IsLoopback(address.Address)))
            Console.Error.WriteLine("Keys and texts travel as they are: give --certificate, or put TLS in front of this server.");
        try
        {
            return new ServerHost(new ServerOptions
            {
                Listen = listen,
                Keys = keys,
                Certificate = certificate,
                Report = Console.Error.WriteLine,
                Logging = observation.Logging,
            });
        }
        catch (ArgumentException e)
        {
            throw new UsageException("--listen: " + e.Message.Replace(" (Parameter 'options')", "", StringComparison.Ordinal));
        }
    }

    private static ApiKeys Keys(string? file)
    {
        if (file is not null)
            return ApiKeys.Parse(File.ReadLines(file), file);
        string? variable = Environment.GetEnvironmentVariable(KeysVariable);
        return string.IsNullOrWhiteSpace(variable) ? ApiKeys.None : ApiKeys.Parse(variable.Split(','), KeysVariable);
    }

    private sealed class Options
    {
        private readonly Option<string> _listen = new("--listen")
        {
            Description = "IP address to listen on; others than this machine's own need API keys.",
            HelpName = "ADDRESS",
            DefaultValueFactory = _ => "127.0.0.1",
        };

        private readonly Option<int> _port = new("--port")
        {
            Description = "Port to listen on; 0 takes a free one.",
            HelpName = "N",
            DefaultValueFactory = _ => DefaultPort,
        };

        private readonly Option<int?> _context = new("--context") { Description = "Tokens of prompt and answer at most. Default: the model's.", HelpName = "N" };
        private readonly Option<double?> _memory = new("--memory")
        {
            Description = "Gigabytes for sequences, running and kept. Default: four fifths of what is free when the model is loaded.",
            HelpName = "GB",
        };

        private readonly Option<string?> _certificate = new("--certificate")
        {
            Description = "For TLS: a certificate in PEM, or PKCS#12 with its key. Read again when it changes.",
            HelpName = "FILE",
        };

        private readonly Option<string?> _certificateKey = new("--certificate-key")
        {
            Description = $"Its private key in PEM, if that is in a file of its own. A password comes from the variable {PasswordVariable}.",
            HelpName = "FILE",
        };

        private readonly Option<bool> _noCache = new("--no-cache") { Description = "Keep nothing on the disk." };
        private readonly Option<string> _encoder = new("--encoder")
        {
            Description = "How prompts are written: april for the first release of V4, july31 for DeepSeek-V4-Flash-0731.",
            HelpName = "NAME",
            DefaultValueFactory = _ => "april",
        };

        // For tests of clients: what the model would choose is replaced, the rest runs as ever.
        private readonly Option<string?> _script = new("--script")
        {
            Description = "A JSON array of replies to write in turn.",
            HelpName = "FILE",
            Hidden = true,
        };

        private readonly CacheArguments _caches = new();

        public Options()
        {
            _encoder.AcceptOnlyFromAmong("april", "july31");
            Log.AcceptOnlyFromAmong(ServeObservation.Text, ServeObservation.Json, ServeObservation.None);
            Drain.Validators.Add(result => Arguments.InRange(result, 0, DrainMax));
            _port.Validators.Add(result => Arguments.InRange(result, 0, IPEndPoint.MaxPort));
            _context.Validators.Add(result => Arguments.InRange(result, 2, int.MaxValue));
        }

        public Option<string?> Model { get; } = Arguments.Model();

        public Option<int> Threads { get; } = Arguments.Threads();

        public Option<NumericMode> Numeric { get; } = Arguments.Numeric();

        public Option<bool> Quiet { get; } = Arguments.Quiet();

        public Option<int> Drain { get; } = new("--drain")
        {
            Description = "Seconds that requests have to finish when the server is asked to end.",
            HelpName = "SECONDS",
            DefaultValueFactory = _ => DefaultDrain,
        };

        public Option<string> Log { get; } = new("--log")
        {
            Description = "A line on stderr for each request, never with its text: text, json or none.",
            HelpName = "FORM",
            DefaultValueFactory = _ => ServeObservation.Text,
        };

        public Option<bool> AllowUnused { get; } = new("--allow-unused") { Description = "Accept a checkpoint with tensors that the model does not use." };

        public Option<string?> ApiKeys { get; } = new("--api-keys")
        {
            Description = $"A file of API keys, one a line, a name in front if wanted; a key or sha256: and its hash. Default: the variable "
                + $"{KeysVariable}, keys with commas between.",
            HelpName = "FILE",
        };

        public void AddTo(Command command)
        {
            foreach (Option option in new Option[]
            {
                _listen, _port, ApiKeys, _certificate, _certificateKey, Model, Threads, Numeric, _context, _memory, _encoder, _noCache, Drain, Log, _script, AllowUnused, Quiet,
            })
            {
                command.Add(option);
            }
            _caches.AddTo(command);
        }

        public IPEndPoint[] Addresses(ParseResult parsed)
        {
            string text = parsed.GetValue(_listen)!;                                      // it has a default
            if (text == "localhost")
                text = "127.0.0.1";
            return IPAddress.TryParse(text, out IPAddress? address) ? [new IPEndPoint(address, parsed.GetValue(_port))]
                : throw new UsageException($"--listen: expected an IP address such as 127.0.0.1 or 0.0.0.0, found {text}.");
        }

        public ServerCertificate? Certificate(ParseResult parsed)
        {
            string? key = parsed.GetValue(_certificateKey);
            if (parsed.GetValue(_certificate) is { } file)
                return ServerCertificate.Load(file, key, Environment.GetEnvironmentVariable(PasswordVariable));
            return key is null ? null : throw new UsageException("--certificate-key: expected --certificate beside it, found none.");
        }

        public ServingOptions Serving(ParseResult parsed, ModelSession session)
        {
            var defaults = ServingOptions.For(session.Model);
            return defaults with
            {
                Context = parsed.GetValue(_context) ?? defaults.Context,
                MemoryBytes = Memory(parsed) ?? defaults.MemoryBytes,
                Revision = parsed.GetValue(_encoder) == "july31" ? EncoderRevision.July31 : EncoderRevision.April,
                WarmsUp = true,
                Script = Script(parsed.GetValue(_script)),
                OpenStore = parsed.GetValue(_noCache) ? null : Stores(parsed, session),
            };
        }

        private Func<string, PrefixStore> Stores(ParseResult parsed, ModelSession session)
        {
            // The model's files are read for this once, not on the engine's thread for every tenant.
            CacheNamespace scope = StoreScope.Of(session.Model);
            _caches.Open(parsed, session, scope);                                         // what is wrong shows now
            return tenant => _caches.Open(parsed, session, new CacheNamespace(scope.Model, scope.Parts, tenant));
        }

        private long? Memory(ParseResult parsed)
        {
            if (parsed.GetValue(_memory) is not { } gigabytes)
                return null;
            return gigabytes > 0 && gigabytes < 1e9 ? (long)(gigabytes * 1e9)
                : throw new UsageException($"--memory: expected gigabytes above 0, found {gigabytes}.");
        }

        private static string[] Script(string? file)
        {
            if (file is null)
                return [];
            using JsonDocument replies = JsonDocument.Parse(File.ReadAllText(file));
            return [.. replies.RootElement.EnumerateArray().Select(reply => reply.GetString() ?? "")];
        }
    }
}
