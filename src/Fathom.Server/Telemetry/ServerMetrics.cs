using System.Diagnostics;
using System.Diagnostics.Metrics;
using Fathom.Serving;

namespace Fathom.Server.Telemetry;

/// <summary>The instruments of one server. Names follow OpenTelemetry; <see cref="PrometheusNames"/> has those of Prometheus. May be used from any thread.</summary>
internal sealed class ServerMetrics : IDisposable
{
    public const string ReasonLabel = "finished_reason";
    public const string DialectLabel = "dialect";
    public const string StatusLabel = "status";

    // Seconds: a token takes milliseconds to seconds, a request up to hours.
    private static readonly double[] s_tokenSeconds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5];
    private static readonly double[] s_requestSeconds = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 7680];
    private static readonly double[] s_tokens = [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576];
    private static readonly ServingLoad s_idle = new(0, 0, 0, 0, 0);

    private readonly Counter<long> _requests;
    private readonly Counter<long> _finished;
    private readonly Counter<long> _reasoning;
    private readonly Histogram<double> _first;
    private readonly Histogram<double> _between;
    private readonly Histogram<double> _perToken;
    private readonly Histogram<double> _duration;
    private readonly Histogram<double> _queued;
    private readonly Histogram<double> _reading;
    private readonly Histogram<double> _writing;
    private readonly Histogram<double> _working;
    private readonly Histogram<double> _promptTokens;
    private readonly Histogram<double> _writtenTokens;

    /// <param name="engine">the engine, once it is there</param> <param name="bodies">bodies in memory</param>
    public ServerMetrics(Func<ServingEngine?> engine, BodyBudget bodies)
    {
        Observe(engine, bodies);
        _requests = Meter.CreateCounter<long>("fathom.http.requests", "{request}", "Requests that were answered, refusals included.");
        _finished = Meter.CreateCounter<long>("fathom.requests.finished", "{request}", "Generations that ended, by why.");
        _reasoning = Meter.CreateCounter<long>("fathom.reasoning.tokens", "{token}", "Tokens of reasoning in generations that ended.");
        _first = Seconds("gen_ai.server.time_to_first_token", "From a request's arrival to the first piece of the reply.", s_requestSeconds);
        _between = Seconds("fathom.inter_token_latency", "Between two pieces of a reply.", s_tokenSeconds);
        _perToken = Seconds("gen_ai.server.time_per_output_token", "Time of writing per token, once for each generation.", s_tokenSeconds);
        _duration = Seconds("gen_ai.server.request.duration", "From a request's arrival to the end of its generation.", s_requestSeconds);
        _queued = Seconds("fathom.request.queue_time", "From a request's arrival at the engine until work began.", s_requestSeconds);
        _reading = Seconds("fathom.request.reading_time", "Until the first token was drawn, from when work began.", s_requestSeconds);
        _writing = Seconds("fathom.request.writing_time", "From the first token to the end.", s_requestSeconds);
        _working = Seconds("fathom.request.working_time", "From when work began to the end.", s_requestSeconds);
        _promptTokens = Histogram("fathom.request.prompt_tokens", "{token}", "Tokens of a prompt, cached ones included.", s_tokens);
        _writtenTokens = Histogram("fathom.request.written_tokens", "{token}", "Tokens that were written for a request.", s_tokens);
    }

    /// <summary>What the instruments belong to.</summary>
    public Meter Meter { get; } = new(ServerTelemetry.Name);

    /// <summary>Shows every reason as 0, to those who listen already.</summary>
    public void Begin()
    {
        foreach (string reason in FinishNames.Reasons)
        {
            _finished.Add(0, new KeyValuePair<string, object?>(ReasonLabel, reason));
        }
    }

    /// <summary>A request was answered.</summary>
    public void Answered(string dialect, int status) => _requests.Add(1, new TagList { { DialectLabel, dialect }, { StatusLabel, status } });

    /// <summary>The first piece of a reply is there.</summary>
    public void First(TimeSpan since, in TagList tags) => _first.Record(since.TotalSeconds, tags);

    /// <summary>Another piece is there.</summary>
    public void Next(TimeSpan since) => _between.Record(since.TotalSeconds);

    /// <summary>A generation ended.</summary>
    /// <param name="reason">one of <see cref="FinishNames.Reasons"/></param> <param name="total">from the request's arrival</param> <param name="tags">of the GenAI conventions</param>
    public void Finished(string reason, TimeSpan total, in TagList tags)
    {
        _finished.Add(1, new KeyValuePair<string, object?>(ReasonLabel, reason));
        _duration.Record(total.TotalSeconds, tags);
    }

    /// <summary>What the engine says at a generation's end.</summary>
    public void Spent(TokenUsage usage, GenerationTimes times, in TagList tags)
    {
        _reasoning.Add(usage.Reasoning);
        _queued.Record(times.Queued.TotalSeconds);
        _reading.Record(times.Reading.TotalSeconds);
        _writing.Record(times.Writing.TotalSeconds);
        _working.Record((times.Reading + times.Writing).TotalSeconds);
        _promptTokens.Record(usage.Prompt);
        _writtenTokens.Record(usage.Completion);
        if (usage.Completion > 1)
        {
            _perToken.Record(times.Writing.TotalSeconds / (usage.Completion - 1), tags);
        }
    }

    public void Dispose() => Meter.Dispose();

    private void Observe(Func<ServingEngine?> engine, BodyBudget bodies)
    {
        ServingLoad Load() => engine()?.Load ?? s_idle;
        Meter.CreateObservableGauge("fathom.requests.running", () => (long)Load().Running, "{request}", "Requests that are worked on.");
        Meter.CreateObservableGauge("fathom.requests.waiting", () => (long)Load().Waiting, "{request}", "Requests that wait for memory or their turn.");
        Meter.CreateObservableGauge("fathom.requests.held", () => (long)Load().Held, "{request}", "Of those worked on, how many wait for their client to read on.");
        Meter.CreateObservableGauge("fathom.sequences.kept", () => (long)Load().Kept, "{sequence}", "Sequences that are kept for a next turn.");
        Meter.CreateObservableGauge(
            "fathom.cache.usage", () => engine() is { } there ? (double)there.Load.Bytes / there.MemoryBytes : 0, "1", "Memory of all sequences, of what they may take, 0 to 1.");
        Meter.CreateObservableGauge("fathom.cache.bytes", () => Load().Bytes, "By", "Memory of all sequences, running and kept.");
        Meter.CreateObservableGauge("fathom.http.body_bytes", () => bodies.Bytes, "By", "Bodies of requests that are being read or answered.");
        Meter.CreateObservableCounter("fathom.prompt.tokens", () => Load().PromptTokens, "{token}", "Tokens of prompts, cached ones included.");
        Meter.CreateObservableCounter("fathom.cache.queries", () => Load().PromptTokens, "{token}", "Tokens that were looked for in the caches.");
        Meter.CreateObservableCounter("fathom.cache.hits", () => Load().CachedTokens, "{token}", "Tokens that were found there and needed no computing.");
        Meter.CreateObservableCounter("fathom.written.tokens", () => Load().WrittenTokens, "{token}", "Tokens that were written.");
        Meter.CreateObservableCounter("fathom.engine.step_time", () => Load().StepTime.TotalSeconds, "s", "Time of the engine's thread in steps.");
        Meter.CreateObservableCounter("fathom.engine.forward_time", () => Load().ForwardTime.TotalSeconds, "s", "Of that, time in forward passes.");
    }

    private Histogram<double> Seconds(string name, string description, double[] bounds) => Histogram(name, "s", description, bounds);

    private Histogram<double> Histogram(string name, string unit, string description, double[] bounds) =>
        Meter.CreateHistogram(name, unit, description, tags: null, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = bounds });
}
