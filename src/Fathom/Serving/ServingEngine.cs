using System.Globalization;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using Fathom.Devices;
using Fathom.Engine;
using Fathom.Prompts;
using Fathom.Text;

namespace Fathom.Serving;

/// <summary>
/// A loaded model that serves many requests at once on a thread of its own. A request alone, among others, cold or from a cache gives the same tokens. The
/// model, its device and its tokenizer belong to the caller, who leaves model and device alone until the engine is disposed. All members may be called from any
/// thread.
/// </summary>
public sealed class ServingEngine : IDisposable
{
    private readonly LanguageModel _model;
    private readonly Tokenizer _tokenizer;
    private readonly ServingOptions _options;
    private readonly PromptReader _prompts;
    private readonly ReplyRules _rules;
    private readonly EngineLoop _loop;
    private int _requests = -1;

    /// <summary>Starts the engine's thread.</summary>
    /// <param name="model">a loaded model</param>
    /// <param name="device">the device it is on</param>
    /// <param name="tokenizer">the model's</param>
    /// <param name="options">how to serve</param>
    /// <exception cref="RequestException">an option is out of range, or the tokenizer has more tokens than the model</exception>
    /// <exception cref="IOException">a file of the model can't be read</exception>
    public ServingEngine(LanguageModel model, Device device, Tokenizer tokenizer, ServingOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(options);
        if (tokenizer.VocabularySize > model.Config.VocabularySize)
        {
            throw new RequestException(
                $"tokenizer.json: expected at most {model.Config.VocabularySize} tokens, as many as the model has, found {tokenizer.VocabularySize}. "
                    + $"Does it belong to the model?");
        }
        _model = model;
        _tokenizer = tokenizer;
        _options = options.Validate(model.Config, model.Transformer.MaxRows);
        byte[] scope = SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', StoreScope.Of(model).Parts)));
        Fingerprint = "fp_" + Convert.ToHexStringLower(scope)[..16];
        var ledger = new TurnLedger(options.LedgerBytes);
        _prompts = new PromptReader(tokenizer, model.Config, options.Revision, ledger);
        _rules = new ReplyRules(tokenizer, model.Config.EosToken, model.Config.VocabularySize);
        _loop = new EngineLoop(model, device, tokenizer, options, ledger, _rules);
    }

    /// <summary>Name of the model's folder.</summary>
    public string ModelName => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(_model.Folder)));

    /// <summary>Tells weights, config, tokenizer and arithmetic apart: answers of the same fingerprint, prompt and seed are the same.</summary>
    public string Fingerprint { get; }

    /// <summary>Tokens of prompt and answer at most.</summary>
    public int Context => _options.Context;

    /// <summary>How prompts are written.</summary>
    public EncoderRevision Revision => _options.Revision;

    /// <summary>Whether the model can hold a conversation.</summary>
    public bool CanChat => _prompts.CanChat;

    /// <summary>Whether the model can write what stands between two texts.</summary>
    public bool CanFill => _prompts.CanFill;

    /// <summary>Requests that wait or are worked on.</summary>
    public int RequestCount => _loop.Count;

    /// <summary>Bytes that all sequences may take.</summary>
    public long MemoryBytes => _options.MemoryBytes;

    /// <summary>What the engine is at. Memory is measured every second at most.</summary>
    public ServingLoad Load => _loop.Load;

    /// <summary>Tokens of a request's prompt, as it would be read now.</summary>
    /// <exception cref="RequestException">the model has no tokens for such a prompt</exception>
    /// <exception cref="PromptException">the conversation cannot be rendered</exception>
    public int CountTokens(GenerationRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return _prompts.Read(request.Prompt, request.Tenant).Tokens.Length;
    }

    /// <summary>Says what a request would take if it were made now.</summary>
    /// <exception cref="RequestException">a value is out of range, or the model has no tokens for such a prompt</exception>
    /// <exception cref="PromptException">the conversation cannot be rendered</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellation"/>, or the engine stops</exception>
    public async Task<Forecast> ForecastAsync(GenerationRequest request, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(request);
        Require(request);
        int[] tokens = _prompts.Read(request.Prompt, request.Tenant).Tokens;
        Forecast forecast = await _loop.ForecastAsync(new ForecastQuestion(request.Tenant, request.Holder, tokens), cancellation).ConfigureAwait(false);
        return TooLarge(request, tokens.Length) is { } fault ? forecast with { TimeToFirstToken = null, Refusal = fault.Message } : forecast;
    }

    /// <summary>Carries out a request. To leave the enumeration, for whatever reason, is to cancel: the engine notices within a step.</summary>
    /// <param name="request">what to do</param> <param name="cancellation">ends the enumeration with <see cref="OperationCanceledException"/></param>
    /// <returns>see <see cref="GenerationEvent"/>; faults are events too</returns>
    public async IAsyncEnumerable<GenerationEvent> Generate(GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(request);
        (ServedSequence? sequence, GenerationEvent.Failed? fault) = Prepare(request);
        if (sequence is null)
        {
            yield return fault!;                                                          // one of the two is there
            yield break;
        }
        try
        {
            await foreach (GenerationEvent next in sequence.Events.Reader.ReadAllAsync(cancellation).ConfigureAwait(false))
            {
                if (sequence.IsHeld && !sequence.IsBehind)
                {
                    _loop.Wake();
                }
                yield return next;
            }
        }
        finally
        {
            sequence.Cancel();
            _loop.Wake();
        }
    }

    /// <summary>Ends what is running; those requests finish as cancelled. What was dear to compute goes to the disk.</summary>
    public void Dispose() => _loop.Dispose();

    private (ServedSequence? Sequence, GenerationEvent.Failed? Fault) Prepare(GenerationRequest request)
    {
        try
        {
            Require(request);
            EncodedPrompt prompt = _prompts.Read(request.Prompt, request.Tenant);
            if (TooLarge(request, prompt.Tokens.Length) is { } fault)
            {
                return (null, fault);
            }
            int maxTokens = Math.Min(request.MaxTokens ?? DefaultMaxTokens(prompt.Tokens.Length), _options.Context - prompt.Tokens.Length);
            _rules.Require(request, prompt.Reply, maxTokens);
            var sequence = new ServedSequence(request, prompt, maxTokens, Script());
            return _loop.TrySubmit(sequence) ? (sequence, null) : (null, new GenerationEvent.Failed(
                FaultKind.Busy, $"Too many requests wait: expected at most {_options.MaxWaiting}, or the server stops. Try again in a few seconds."));
        }
        catch (Exception e) when (e is RequestException or PromptException or ArgumentException)
        {
            return (null, new GenerationEvent.Failed(FaultKind.Invalid, e.Message));
        }
    }

    private static void Require(GenerationRequest request)
    {
        request.Sampling.Validate();
        _ = new StopStrings(request.StopStrings);
        if (request.ThinkingTokens < 0)
        {
            throw new RequestException($"thinking tokens: expected at least 0, found {request.ThinkingTokens}.");
        }
        if (request.MaxTokens < 1)
        {
            throw new RequestException($"max_tokens: expected at least 1, found {request.MaxTokens}.");
        }
        if (request.TopLogProbabilities is < 0 or > 20)
        {
            throw new RequestException($"top_logprobs: expected 0 to 20, found {request.TopLogProbabilities}.");
        }
    }

    private GenerationEvent.Failed? TooLarge(GenerationRequest request, int promptTokens)
    {
        if (promptTokens >= _options.Context)
        {
            return new GenerationEvent.Failed(FaultKind.TooLarge, string.Create(CultureInfo.InvariantCulture,
                $"The prompt has {promptTokens:N0} tokens, and the context of {_options.Context:N0} tokens must hold it and an answer. Shorten it, or "
                    + $"start the server with a larger --context."));
        }
        long answer = Math.Min(request.MaxTokens ?? 1, _options.Context - promptTokens), need = _loop.Need((int)(promptTokens + answer - 1));
        if (need <= _options.MemoryBytes)
        {
            return null;
        }
        return new GenerationEvent.Failed(FaultKind.TooLarge, string.Create(CultureInfo.InvariantCulture,
            $"{promptTokens:N0} tokens of prompt and {answer:N0} of answer need {Bytes(need)} of memory, the server has "
                + $"{Bytes(_options.MemoryBytes)}, which is enough for {TokensThatFit():N0} tokens. Shorten the prompt, lower max_tokens, or start "
                + $"the server with a larger --memory."));
    }

    private static string Bytes(long bytes) => bytes >= 1e9
        ? FormattableString.Invariant($"{bytes / 1e9:F2} GB") : FormattableString.Invariant($"{bytes / 1e6:F1} MB");

    // Where the request names no number, what memory holds.
    private int DefaultMaxTokens(int promptTokens) => Math.Clamp(TokensThatFit() - promptTokens + 1, 1, _options.DefaultMaxTokens);

    private int TokensThatFit()
    {
        (int fits, int exceeds) = (0, _options.Context + 1);
        while (exceeds - fits > 1)
        {
            int middle = fits + ((exceeds - fits) / 2);
            (fits, exceeds) = _loop.Need(middle) <= _options.MemoryBytes ? (middle, exceeds) : (fits, middle);
        }
        return fits;
    }

    private int[] Script()
    {
        int index = _options.Script.Count == 0 ? int.MaxValue : Interlocked.Increment(ref _requests);
        return index < _options.Script.Count ? [.. _tokenizer.Encode(_options.Script[index], recognizeAddedTokens: true), _model.Config.EosToken] : [];
    }
}
