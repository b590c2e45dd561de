namespace Fathom.Train;

/// <summary>What a step has to tell.</summary>
public sealed record StepStatistics
{
    /// <summary>Its number, from 1.</summary>
    public required long Step { get; init; }

    /// <summary>Cross-entropy in nats per target before the update.</summary>
    public required double Loss { get; init; }

    /// <summary>That of targets that are no answers; null if there are none.</summary>
    public required double? TextLoss { get; init; }

    /// <summary>That of answers to tasks; null if there are none.</summary>
    public required double? AnswerLoss { get; init; }

    /// <summary>That of the MTP block.</summary>
    public required double MtpLoss { get; init; }

    /// <summary>Tokens of the step.</summary>
    public required int Tokens { get; init; }

    /// <summary>Time of the whole step.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>Tokens per second.</summary>
    public double TokensPerSecond => Tokens / Elapsed.TotalSeconds;

    /// <summary>Learning rate.</summary>
    public required float Rate { get; init; }

    /// <summary>Joint norm of the trunk's gradients before clipping.</summary>
    public required double TrunkNorm { get; init; }

    /// <summary>Joint norm of the indexers' gradients before clipping.</summary>
    public required double IndexerNorm { get; init; }

    /// <summary>Per layer, the share of each expert; MTP blocks follow the main layers. Empty for a layer that did not run.</summary>
    public required IReadOnlyList<IReadOnlyList<double>> ExpertShares { get; init; }

    /// <summary>Per layer, the share of attention's mass on entries that the indexer's best hold; null without an indexer, or where this step did not measure it.</summary>
    public required IReadOnlyList<double?> IndexerRecall { get; init; }

    /// <summary>Per layer, the indexer's divergence from attention in nats; 0 without an indexer.</summary>
    public required IReadOnlyList<double> IndexerDivergence { get; init; }
}
