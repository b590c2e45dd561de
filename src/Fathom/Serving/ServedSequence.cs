using System.Diagnostics;
using System.Threading.Channels;
using Fathom.Engine;
using Fathom.Model;

namespace Fathom.Serving;

/// <summary>
/// One request on its way: waiting, then a sequence that reads its prompt and writes its reply. Made by a caller's thread, then the engine's alone, but for
/// <see cref="Cancel"/>.
/// </summary>
internal sealed class ServedSequence
{
    // A caller who is so many events behind is waited for: they take memory, and nobody reads them.
    private const int EventsAheadMax = 1024;

    private volatile bool _isCancelled;
    private int _isHeld;

    /// <param name="request">what is asked</param> <param name="prompt">its tokens</param> <param name="maxTokens">to write at most</param>
    /// <param name="script">tokens that are written instead of the model's choice; empty for none</param>
    public ServedSequence(GenerationRequest request, EncodedPrompt prompt, int maxTokens, int[] script)
    {
        Request = request;
        Prompt = prompt;
        MaxTokens = maxTokens;
        Script = script;
    }

    public GenerationRequest Request { get; }

    public EncodedPrompt Prompt { get; }

    public int MaxTokens { get; }

    public int[] Script { get; }

    /// <summary>What the caller reads. Of several readers, so that it can be counted.</summary>
    public Channel<GenerationEvent> Events { get; } = Channel.CreateUnbounded<GenerationEvent>(new UnboundedChannelOptions { SingleWriter = true });

    /// <summary>Whether the engine waits for the caller to read on; <see cref="IsBehind"/> says when that is over. May be read from any thread.</summary>
    public bool IsHeld => Volatile.Read(ref _isHeld) != 0;

    /// <summary>Whether the caller is so far behind that the engine should wait. May be read from any thread.</summary>
    public bool IsBehind => Events.Reader.Count >= EventsAheadMax;

    /// <summary>When the request came.</summary>
    public long Arrival { get; } = Stopwatch.GetTimestamp();

    /// <summary>Whether the caller has left.</summary>
    public bool IsCancelled => _isCancelled;

    /// <summary>What its holder has got, and its place among those that run, of this step.</summary>
    public (double Served, int Place) Rank { get; set; }

    /// <summary>The last step that it had a part in.</summary>
    public long LastStep { get; set; }

    /// <summary>The state of the engine's work; null while it waits.</summary>
    public SequenceWork? Work { get; set; }

    /// <summary>Tokens that the sequence may hold in the end: the last one written is not read any more.</summary>
    public int TokensMax => Prompt.Tokens.Length + Math.Max(MaxTokens - 1, 0);

    /// <summary>Decides before a step whether the sequence waits for its caller. Used by the engine's thread.</summary>
    public bool Hold()
    {
        // The mark is set before the count is looked at: a caller who reads on afterwards sees it and wakes the engine.
        Interlocked.Exchange(ref _isHeld, 1);
        if (IsBehind)
        {
            return true;
        }
        Interlocked.Exchange(ref _isHeld, 0);
        return false;
    }

    /// <summary>The caller has left. May be called from any thread.</summary>
    public void Cancel() => _isCancelled = true;
}

/// <summary>A sequence that the engine works on.</summary>
internal sealed class SequenceWork : IDisposable
{
    private int _nextCheckpoint;

    public required SequenceCache Cache { get; init; }

    public required Sampler Sampler { get; init; }

    public required ReplyWriter Reply { get; init; }

    /// <summary>What reasoning must follow; null for nothing.</summary>
    public required TokenRule? ReasoningRule { get; init; }

    /// <summary>What the answer must follow; null for nothing.</summary>
    public TokenRule? AnswerRule { get; set; }

    /// <summary>Whether the answer has begun and its rule is made.</summary>
    public bool HasAnswerRule { get; set; }

    public LoopDetector Loop { get; } = new();

    /// <summary>Those behind the last token, (vocabulary).</summary>
    public required float[] Logits { get; init; }

    /// <summary>Where the sequence is to be kept while the prompt is read, ascending; the last is the prompt's end but one token.</summary>
    public required int[] Checkpoints { get; init; }

    /// <summary>Tokens of the prompt that needed no computing.</summary>
    public required int CachedTokens { get; init; }

    /// <summary>What was written, the end-of-text token left out.</summary>
    public List<int> Written { get; } = [];

    /// <summary>Drawn, and not read by the model yet; <see cref="SequenceCache.None"/> if there is none.</summary>
    public int Pending { get; set; } = SequenceCache.None;

    /// <summary>When work began.</summary>
    public long Begin { get; } = Stopwatch.GetTimestamp();

    /// <summary>When the first token was drawn; 0 before.</summary>
    public long FirstDraw { get; set; }

    /// <summary>Tokens of it that are on the disk.</summary>
    public int StoredTokens { get; set; }

    /// <summary>Up to where the prompt is to be read in one go.</summary>
    public int NextStop(int promptTokens)
    {
        while (_nextCheckpoint < Checkpoints.Length && Checkpoints[_nextCheckpoint] <= Cache.Length)
        {
            _nextCheckpoint++;
        }
        return _nextCheckpoint < Checkpoints.Length ? Checkpoints[_nextCheckpoint] : promptTokens;
    }

    /// <summary>Whether the sequence stands at a checkpoint.</summary>
    public bool IsAtCheckpoint => Array.IndexOf(Checkpoints, Cache.Length) >= 0;

    public void Dispose() => Cache.Dispose();
}
