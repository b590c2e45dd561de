using System.Diagnostics;
using System.Runtime.InteropServices;
using Fathom.Devices;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Engine;

/// <summary>Why a generation ended.</summary>
public enum FinishReason
{
    /// <summary>It has not ended.</summary>
    None,

    /// <summary>The model ended its text.</summary>
    Stop,

    /// <summary>As many tokens as were asked for.</summary>
    Length,

    /// <summary>The context is full.</summary>
    Context,
}

/// <summary>Tokens and times of a sequence so far.</summary>
public sealed class GenerationStats
{
    /// <summary>Prompt tokens that were computed.</summary>
    public int PromptTokens { get; internal set; }

    /// <summary>Time spent on them.</summary>
    public TimeSpan PromptTime { get; internal set; }

    /// <summary>Tokens that were computed one by one.</summary>
    public int DecodedTokens { get; internal set; }

    /// <summary>Time spent on them, sampling included.</summary>
    public TimeSpan DecodeTime { get; internal set; }

    /// <summary>Tokens that were guessed, and computed together with the one before.</summary>
    public int Guesses { get; internal set; }

    /// <summary>Guesses that were the token.</summary>
    public int RightGuesses { get; internal set; }
}

/// <summary>
/// One sequence of a loaded model: takes prompt tokens, gives generated ones. Prompts go through the model in pieces of at most the largest
/// batch; the pieces never show in the result. One thread at a time.
/// </summary>
public sealed partial class Generator : IDisposable
{
    private const long LargeBytes = 64 << 20;

    private readonly Device _device;
    private readonly Transformer _transformer;
    private readonly Batch _batch;
    private readonly float[] _logits;
    private readonly int[] _single = new int[1];
    private SequenceCache _sequence;
    private SpeculativeDecoder? _speculative;

    /// <summary>An empty sequence.</summary>
    /// <param name="model">a loaded model</param>
    /// <param name="device">the device it is on</param>
    /// <param name="context">tokens the sequence may hold, at most the model's positions</param>
    /// <param name="speculative">guess tokens with the model's MTP block and compute two at a time: the same tokens, another speed</param>
    /// <exception cref="RequestException">
    /// the context is out of range, the machine has too little memory, or there is no MTP block to guess with
    /// </exception>
    public Generator(LanguageModel model, Device device, int context, bool speculative = false)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (context < 1 || context > model.Config.MaxPositions)
        {
            throw new RequestException($"context: expected 1 to {model.Config.MaxPositions} tokens, the model's positions, found {context}.");
        }
        _device = device;
        _transformer = model.Transformer;
        _sequence = Made(_transformer.NewSequence);
        _batch = new Batch(_transformer.MaxRows);
        _logits = new float[model.Config.VocabularySize];
        _speculative = speculative ? new SpeculativeDecoder(_transformer, device, _sequence) : null;
        Context = context;
    }

    private Generator(Generator past)
    {
        _device = past._device;
        _transformer = past._transformer;
        _sequence = Made(past._sequence.Fork);
        _batch = new Batch(_transformer.MaxRows);
        _logits = [.. past._logits];
        _speculative = past._speculative is null ? null : new SpeculativeDecoder(_transformer, _device, _sequence);
        Context = past.Context;
    }

    /// <summary>Tokens the sequence may hold.</summary>
    public int Context { get; }

    /// <summary>Tokens the model has seen.</summary>
    public int Length => _sequence.Length;

    /// <summary>Their ids.</summary>
    public ReadOnlySpan<int> Tokens => _sequence.Tokens;

    /// <summary>Counts and times.</summary>
    public GenerationStats Stats { get; } = new();

    /// <summary>Why the last generation ended.</summary>
    public FinishReason Finish { get; private set; }

    /// <summary>The logits after the last token, (vocabulary).</summary>
    public ReadOnlySpan<float> Logits => _logits;

    /// <summary>Reads prompt tokens.</summary>
    /// <param name="tokens">at least one; ids within the vocabulary</param>
    /// <param name="progress">told the tokens read so far after every piece, or null</param>
    /// <param name="cancellation">stops between pieces; what was read stays read</param>
    /// <exception cref="RequestException">a token is out of range, or the prompt does not fit the context or memory</exception>
    public void Read(ReadOnlySpan<int> tokens, Action<int>? progress, CancellationToken cancellation)
    {
        Require(tokens);
        for (int first = 0; first < tokens.Length; first += _batch.MaxRows)
        {
            cancellation.ThrowIfCancellationRequested();
            long begin = Stopwatch.GetTimestamp();
            ReadOnlySpan<int> piece = tokens.Slice(first, Math.Min(_batch.MaxRows, tokens.Length - first));
            Forward(piece);
            Stats.PromptTokens += piece.Length;
            Stats.PromptTime += Stopwatch.GetElapsedTime(begin);
            progress?.Invoke(first + piece.Length);
        }
    }

    /// <summary>
    /// Generates tokens after what was read. The end-of-text token ends the generation and is not given, but the sequence has room for
    /// whatever comes next. Enumerate to the end or stop at will.
    /// </summary>
    /// <param name="sampler">draws the tokens</param>
    /// <param name="endToken">the token that ends the text</param>
    /// <param name="maxTokens">tokens to give at most</param>
    /// <param name="cancellation">stops between tokens</param>
    /// <exception cref="RequestException">
    /// nothing was read, or the number is negative; while enumerating: the mask allows nothing, or the logits are no numbers
    /// </exception>
    public IEnumerable<Token> Generate(Sampler sampler, int endToken, int maxTokens, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(sampler);
        if (maxTokens < 0)
        {
            throw new RequestException($"max-tokens: expected at least 0, found {maxTokens}.");
        }
        if (Length == 0)
        {
            throw new RequestException("Nothing to go on: expected at least one token to be read before. Begin with the begin-of-text token.");
        }
        return Continue(sampler, endToken, maxTokens, cancellation);
    }

    /// <summary>
    /// An independent sequence with the same past, ready to read or generate, with counts of its own. Memory of long pasts is shared; either
    /// may be disposed first.
    /// </summary>
    /// <exception cref="RequestException">the machine has too little memory</exception>
    public Generator Fork() => new(this);

    /// <summary>Frees the memory of the sequence and of its checkpoints.</summary>
    public void Dispose()
    {
        _sequence.Dispose();
        Forget(0, _checkpoints.Count);
    }

    private IEnumerable<Token> Continue(Sampler sampler, int endToken, int maxTokens, CancellationToken cancellation)
    {
        Finish = FinishReason.None;
        for (int i = 0; ; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (i == maxTokens || Length == Context)
            {
                Finish = i == maxTokens ? FinishReason.Length : FinishReason.Context;
                yield break;
            }
            Token token = sampler.Next(_logits);
            if (token.Id == endToken)
            {
                Finish = FinishReason.Stop;
                yield break;
            }
            yield return token;
            Decode(token.Id, sampler);
        }
    }

    private void Decode(int token, Sampler sampler)
    {
        long begin = Stopwatch.GetTimestamp();
        try
        {
            if (_speculative is null || !_speculative.TryNext(token, sampler, Context, _logits, Stats))
            {
                _single[0] = token;
                Forward(_single);
            }
        }
        catch (OutOfMemoryException e)
        {
            throw TooLarge(e);
        }
        Stats.DecodedTokens++;
        Stats.DecodeTime += Stopwatch.GetElapsedTime(begin);
    }

    private void Forward(ReadOnlySpan<int> tokens)
    {
        _batch.Clear();
        _batch.Add(_sequence, tokens, logitCount: 1);
        try
        {
            Tensor logits = _speculative is null ? _transformer.Forward(_batch) : _transformer.ForwardAndDraft(_batch);
            _device.Download(logits, MemoryMarshal.AsBytes(_logits.AsSpan()));
        }
        catch (OutOfMemoryException e)
        {
            throw TooLarge(e);
        }
    }

    private void Require(ReadOnlySpan<int> tokens)
    {
        PromptCheck.Require(tokens, Context - Length, _logits.Length);
        // Looking at the machine's memory takes milliseconds, so small prompts are spared.
        if (tokens.Length / CacheLayout.BlockTokens * _transformer.Layout.BlockBytes > LargeBytes)
        {
            PromptCheck.RequireMemory(tokens.Length, Length, _transformer.Layout, MachineMemory.MeasureAvailable());
        }
    }

    private static SequenceCache Made(Func<SequenceCache> make)
    {
        try
        {
            return make();
        }
        catch (OutOfMemoryException e)
        {
            throw TooLarge(e);
        }
    }

    private static RequestException TooLarge(OutOfMemoryException e) =>
        new($"The sequence does not fit into memory: {e.Message} Shorten the prompt or close other sequences.", e);
}
