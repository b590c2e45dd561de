using Microsoft.Extensions.AI;

namespace Fathom.Extensions.AI;

/// <summary>Options of a request with what Fathom knows beyond <see cref="ChatOptions"/>.</summary>
public sealed class FathomChatOptions : ChatOptions
{
    /// <summary>The options that others have.</summary>
    public FathomChatOptions()
    {
    }

    private FathomChatOptions(FathomChatOptions other) : base(other)
    {
        ThinkingTokens = other.ThinkingTokens;
        MinP = other.MinP;
        Tenant = other.Tenant;
    }

    /// <summary>Tokens of reasoning at most, after which the answer begins; null for no limit of its own.</summary>
    public int? ThinkingTokens { get; set; }

    /// <summary>Keeps tokens at least p times as likely as the likeliest one, 0 to 1; null or 0 keeps all.</summary>
    public float? MinP { get; set; }

    /// <summary>
    /// Who the request is for: caches of one tenant are never found by another, and each with work has an equal share of the engine's time. Null for nobody in
    /// particular.
    /// </summary>
    public string? Tenant { get; set; }

    /// <inheritdoc/>
    public override ChatOptions Clone() => new FathomChatOptions(this);
}
