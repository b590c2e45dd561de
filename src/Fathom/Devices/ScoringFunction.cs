namespace Fathom.Devices;

/// <summary>How router logits become expert scores.</summary>
public enum ScoringFunction
{
    /// <summary>√softplus(ℓ): DeepSeek-V4.</summary>
    SqrtSoftplus,

    /// <summary>σ(ℓ).</summary>
    Sigmoid,

    /// <summary>softmax over all experts.</summary>
    Softmax,
}
