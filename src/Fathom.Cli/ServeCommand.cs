using System.CommandLine;
using System.Globalization;
using System.Net;
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
    private const int DefaultPort = 8080;
    private const string KeysVariable = "FATHOM_API_KEYS";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    public static Command Create()
    {
        var options = new Options();
        var command = new CommandWithExample(
            "serve",
            "Answers over HTTP: Chat Completions with streaming, tools and thinking, completions, models. Many requests run at once; a next turn goes "
                + "on from memory or from the disk. "
            + "Listens on this machine alone unless there are API keys. Ctrl-C ends it.",
            "fathom serve --port 8080");
        options.AddTo(command);
        command.SetAction((parsed, cancellation) => RunAsync(options, parsed, cancellation));
        return command;
    }

    private static async Task<int> RunAsync(Options options, ParseResult parsed, CancellationToken cancellation)
    {
        await using ServerHost host = Host(options, parsed);
        await host.StartAsync(cancellation).ConfigureAwait(false);
        bool quiet = parsed.GetValue(options.Quiet);
        if (!quiet)
            Console.Error.WriteLine($"Listening on {string.Join(", ", host.Addresses)}, loading the model.");
        using ModelSession session = await Task.Run(
            () => ModelSession.Open(
                parsed.GetValue(options.Model) ?? Arguments.BundledModel, parsed.GetValue(options.Threads), parsed.GetValue(options.Numeric),
                parsed.GetValue(options.AllowUnused)),
            cancellation).ConfigureAwait(false);
        using (var engine = new ServingEngine(session.Model, session.Device, session.Tokenizer, options.Serving(parsed, session)))
        {
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
        }
        // The engine has ended all requests with what they had; the server sends that.
        using var patience = new CancellationTokenSource(s_patience);
        await host.StopAsync(patience.Token).ConfigureAwait(false);
        return ExitCode.Success;
    }

    private static ServerHost Host(Options options, ParseResult parsed)
    {
        try
        {
            return new ServerHost(new ServerOptions
            {
                Listen = options.Addresses(parsed),
                Keys = Keys(parsed.GetValue(options.ApiKeys)),
                Report = Console.Error.WriteLine,
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
            _port.Validators.Add(result => Arguments.InRange(result, 0, IPEndPoint.MaxPort));
            _context.Validators.Add(result => Arguments.InRange(result, 2, int.MaxValue));
        }

        public Option<string?> Model { get; } = Arguments.Model();

        public Option<int> Threads { get; } = Arguments.Threads();

        public Option<NumericMode> Numeric { get; } = Arguments.Numeric();

        public Option<bool> Quiet { get; } = Arguments.Quiet();

        public Option<bool> AllowUnused { get; } = new("--allow-unused") { Description = "Accept a checkpoint with tensors that the model does not use." };

        public Option<string?> ApiKeys { get; } = new("--api-keys")
        {
            Description = $"A file of API keys, one a line, a name in front if wanted; a key or sha256: and its hash. Default: the variable "
                + $"{KeysVariable}, keys with commas between.",
            HelpName = "FILE",
        };

        public void AddTo(Command command)
        {
            foreach (Option option in new Option[] { _listen, _port, ApiKeys, Model, Threads, Numeric, _context, _memory, _encoder, _noCache, _script, AllowUnused, Quiet })
                command.Add(option);
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

        public ServingOptions Serving(ParseResult parsed, ModelSession session)
        {
            var defaults = ServingOptions.For(session.Model);
            return defaults with
            {
                Context = parsed.GetValue(_context) ?? defaults.Context,
                MemoryBytes = Memory(parsed) ?? defaults.MemoryBytes,
                Revision = parsed.GetValue(_encoder) == "july31" ? EncoderRevision.July31 : EncoderRevision.April,
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
