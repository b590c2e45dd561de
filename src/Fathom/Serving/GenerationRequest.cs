using Fathom.Engine;
using Fathom.Grammars;
using Fathom.Prompts;

namespace Fathom.Serving;

/// <summary>What is asked of the engine, in no wire format. Immutable.</summary>
public sealed record GenerationRequest
{
    /// <summary>What the model goes on from.</summary>
    public required GenerationPrompt Prompt { get; init; }

    /// <summary>
    /// How tokens are drawn. The seed decides them: the same request with the same seed gives the same tokens, alone or among others, cold or from a cache.
    /// </summary>
    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>
    /// Tokens to generate at most, reasoning included; null for <see cref="ServingOptions.DefaultMaxTokens"/> or what the context leaves, whichever is less.
    /// </summary>
    public int? MaxTokens { get; init; }

    /// <summary>
    /// Tokens of reasoning at most, after which the answer is forced to begin; null for no limit of its own. Of the answer's tokens a quarter, 512 at most, is
    /// kept free of reasoning in any case.
    /// </summary>
    public int? ThinkingTokens { get; init; }

    /// <summary>Up to 16 texts that end the answer where they begin; none of them is given out.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>Of each token so many of the likeliest, with their log-probabilities, 0 to 20; null for no log-probabilities at all.</summary>
    public int? TopLogProbabilities { get; init; }

    /// <summary>What the answer must be from its first token to its end; reasoning is free. Null for any text.</summary>
    public Grammar? AnswerGrammar { get; init; }

    /// <summary>What every block of calls must be, see <see cref="ToolGrammar.Block"/>; null leaves that to the model.</summary>
    public Grammar? CallGrammar { get; init; }

    /// <summary>Whether the reply may, must or must not call tools.</summary>
    public CallChoice Calls { get; init; }

    /// <summary>The function that a reply which must call one calls first; null leaves the choice to the model.</summary>
    public string? CallName { get; init; }

    /// <summary>Whose caches and transcripts may be used: those of another tenant are never found.</summary>
    public string Tenant { get; init; } = "";

    /// <summary>Who is served: the engine's time is shared equally between holders with work, whatever the number of their requests.</summary>
    public string Holder { get; init; } = "";
}

/// <summary>What the model goes on from. A closed set.</summary>
public abstract record GenerationPrompt
{
    private GenerationPrompt()
    {
    }

    /// <summary>A conversation; the model answers, or continues the last turn where that is left open.</summary>
    /// <param name="Conversation">tools and thinking included</param>
    public sealed record Chat(Conversation Conversation) : GenerationPrompt;

    /// <summary>A text to complete behind the begin-of-text token. Names of special tokens in it are plain text.</summary>
    /// <param name="Value">may be empty</param>
    public sealed record Text(string Value) : GenerationPrompt;

    /// <summary>The text between two others.</summary>
    /// <param name="Prefix">in front; may be empty</param> <param name="Suffix">behind; may be empty</param>
    public sealed record FillInTheMiddle(string Prefix, string Suffix) : GenerationPrompt;
}
