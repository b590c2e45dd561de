namespace Fathom.Serving;

/// <summary>
/// What a generation says next. A closed set. Either <see cref="Failed"/> alone; or <see cref="Accepted"/>, <see cref="Reading"/> any number of times, then
/// what the model writes, and at the end <see cref="Finished"/>, or <see cref="Failed"/> if something broke on the way. Reasoning comes before answer and
/// calls; texts may be cut anywhere, never within a character.
/// </summary>
public abstract record GenerationEvent
{
    private GenerationEvent()
    {
    }

    /// <summary>The request has memory and its prompt is being read.</summary>
    /// <param name="PromptTokens">tokens of the prompt</param> <param name="CachedTokens">of these the first, which need no computing</param>
    public sealed record Accepted(int PromptTokens, int CachedTokens) : GenerationEvent
    {
        /// <summary>Earlier turns that the model thought in and whose reasoning neither the client nor the ledger has: they are read without.</summary>
        public int TurnsWithoutReasoning { get; init; }
    }

    /// <summary>How far the reading of the prompt is.</summary>
    /// <param name="Done">tokens read, cached ones included</param>
    /// <param name="Total">tokens of the prompt</param>
    /// <param name="Left">the time that is left at the present speed</param>
    public sealed record Reading(int Done, int Total, TimeSpan Left) : GenerationEvent;

    /// <summary>More of the reasoning.</summary>
    /// <param name="Text">never empty</param>
    public sealed record Reasoning(string Text) : GenerationEvent
    {
        /// <summary>Its tokens, if log-probabilities were asked for; those of a text that was held back come with its last piece.</summary>
        public IReadOnlyList<TokenScore> Tokens { get; init; } = [];
    }

    /// <summary>More of the answer.</summary>
    /// <param name="Text">never empty</param>
    public sealed record Answer(string Text) : GenerationEvent
    {
        /// <summary>As for <see cref="Reasoning"/>.</summary>
        public IReadOnlyList<TokenScore> Tokens { get; init; } = [];
    }

    /// <summary>A call of a tool begins. Its arguments follow; one call at a time.</summary>
    /// <param name="Index">0 for the first call of the reply</param>
    /// <param name="Id">unguessable; the client gives it back with the result</param>
    /// <param name="Name">of the function</param>
    public sealed record CallStarted(int Index, string Id, string Name) : GenerationEvent;

    /// <summary>More of a call's arguments.</summary>
    /// <param name="Index">of the call</param> <param name="Json">a piece of the JSON text of an object; never empty</param>
    public sealed record CallArguments(int Index, string Json) : GenerationEvent;

    /// <summary>The call is complete: its pieces make one object. A call that lacks this event was cut off and must not be made.</summary>
    /// <param name="Index">of the call</param>
    public sealed record CallEnded(int Index) : GenerationEvent;

    /// <summary>The end.</summary>
    /// <param name="Reason">why</param> <param name="Usage">tokens</param>
    public sealed record Finished(EndReason Reason, TokenUsage Usage) : GenerationEvent
    {
        /// <summary>Which of the stop strings, for <see cref="EndReason.StopString"/>; else null.</summary>
        public string? StopString { get; init; }

        /// <summary>What it took.</summary>
        public GenerationTimes Times { get; init; }
    }

    /// <summary>The request cannot be carried out, or no further.</summary>
    /// <param name="Kind">what kind of fault</param> <param name="Message">sentences for people: what was expected, what was found, what to do</param>
    public sealed record Failed(FaultKind Kind, string Message) : GenerationEvent
    {
        /// <summary>Tokens so far, if the request was accepted before.</summary>
        public TokenUsage Usage { get; init; } = new(0, 0, 0, 0);

        /// <summary>What it took so far, if the request was accepted before.</summary>
        public GenerationTimes Times { get; init; }
    }
}

/// <summary>Why a generation ended.</summary>
public enum EndReason
{
    /// <summary>The model ended its turn.</summary>
    Stop,

    /// <summary>The model ended its turn with complete calls of tools.</summary>
    ToolCalls,

    /// <summary>A stop string came.</summary>
    StopString,

    /// <summary>As many tokens as were asked for, or the context is full.</summary>
    Length,

    /// <summary>The model repeated itself without end.</summary>
    Loop,

    /// <summary>The server stops.</summary>
    Cancelled,
}

/// <summary>What kind of fault a request met.</summary>
public enum FaultKind
{
    /// <summary>The request breaks a rule.</summary>
    Invalid,

    /// <summary>Prompt and answer exceed the context or all of the memory; never to be tried again as it is.</summary>
    TooLarge,

    /// <summary>Too many requests wait; to be tried again later.</summary>
    Busy,

    /// <summary>The engine is at fault.</summary>
    Internal,
}

/// <summary>Tokens of a request.</summary>
/// <param name="Prompt">of the prompt, cached ones included</param> <param name="Cached">of the prompt, those that needed no computing</param>
/// <param name="Reasoning">that the model wrote before its answer</param>
/// <param name="Completion">that the model wrote, reasoning included, the end-of-text token left out</param>
public readonly record struct TokenUsage(int Prompt, int Cached, int Reasoning, int Completion);

/// <summary>Where the time of a request went, as the engine saw it.</summary>
/// <param name="Queued">from its arrival until work began</param> <param name="Reading">from there until the first token was drawn</param>
/// <param name="Writing">from there until the end</param>
public readonly record struct GenerationTimes(TimeSpan Queued, TimeSpan Reading, TimeSpan Writing);

/// <summary>A token and the model's own log-probability of it: at temperature 1, before masks and filters.</summary>
/// <param name="Bytes">UTF-8; may be part of a character</param> <param name="LogProbability">natural logarithm</param>
/// <param name="Top">the likeliest tokens in its place, likeliest first, without likeliest tokens of their own</param>
public sealed record TokenScore(ReadOnlyMemory<byte> Bytes, float LogProbability, IReadOnlyList<TokenScore> Top);
