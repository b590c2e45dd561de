using Fathom.Train.Optimizers;

namespace Fathom.Train;

/// <summary>How a model is trained. To resume bit for bit, give the same again.</summary>
public sealed record TrainerOptions
{
    /// <summary>Learning rate over the run.</summary>
    public required Schedule Schedule { get; init; }

    /// <summary>Of the initial weights.</summary>
    public int Seed { get; init; }

    /// <summary>Standard deviation of initial matrices; null for 1 / √(inputs).</summary>
    public float? InitialDeviation { get; init; }

    /// <summary>λ of both optimisers.</summary>
    public float WeightDecay { get; init; } = 0.1f;

    /// <summary>Factor on the rate of the embedding, whose weights are larger than a matrix's.</summary>
    public float EmbeddingRate { get; init; } = 1;

    /// <summary>Factor on the rate of the head.</summary>
    public float HeadRate { get; init; } = 1;

    /// <summary>Factor on the rate of norms, sinks, biases and the hyper-connections' scales.</summary>
    public float SmallRate { get; init; } = 1;

    /// <summary>Factor on the rate of everything but the indexers; 0 trains the indexers alone, leaves routers' biases where they are and skips the trunk's backward pass.</summary>
    public float TrunkRate { get; init; } = 1;

    /// <summary>Whether CSA attends to every visible entry, as in the dense stage, even where the indexer would have to choose.</summary>
    public bool AttendToAll { get; init; }

    /// <summary>Factor on the rate of the indexers.</summary>
    public float IndexerRate { get; init; } = 1;

    /// <summary>Largest joint norm of the trunk's gradients, and apart from them of the indexers'.</summary>
    public float ClipNorm { get; init; } = 1;

    /// <summary>Weight of the MTP block's loss; 0 leaves the block out.</summary>
    public float MtpWeight { get; init; } = 0.3f;

    /// <summary>The step from which the MTP block is trained.</summary>
    public long MtpFrom { get; init; }

    /// <summary>Weight of the sequence balance loss.</summary>
    public float BalanceWeight { get; init; } = 1e-4f;

    /// <summary>How much a router's bias moves against its load in a step.</summary>
    public float RouterBiasSpeed { get; init; } = 0.001f;

    /// <summary>What is kept of the averaged weights in a step; 0 for no average.</summary>
    public float AverageDecay { get; init; }

    /// <summary>
    /// Steps done from which on passes use weights and cache rows rounded as the released format stores them, with gradients straight through
    /// to the weights in singles; null for never.
    /// </summary>
    public long? QuantizeFrom { get; init; }

    /// <summary>Entries of a query for which the indexers' recall is measured.</summary>
    public int RecallEntries { get; init; } = 64;

    /// <summary>Steps from one measurement of the recall to the next; it costs about 2 % of a step.</summary>
    public int RecallEvery { get; init; } = 10;

    /// <summary>Threads; results do not depend on them.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;
}
