namespace Fathom.Train.Indexers;

/// <summary>How indexers are tuned. The same options, model and text give the same bits for any number of threads.</summary>
public sealed record IndexerTuningOptions
{
    /// <summary>Tokens of a text, at least 512; memory grows with it: about 4 bytes for each token, hidden channel and CSA layer, and 4 KB for each token of one layer.</summary>
    public int Length { get; init; } = 65_536;

    /// <summary>Updates.</summary>
    public int Steps { get; init; } = 400;

    /// <summary>Highest learning rate; it rises over the first twentieth and falls over the last half.</summary>
    public float Rate { get; init; } = 0.005f;

    /// <summary>Updates from one text before the next is read.</summary>
    public int StepsPerText { get; init; } = 16;

    /// <summary>Tokens of a text whose attention is looked at.</summary>
    public int RowsPerText { get; init; } = 2048;

    /// <summary>Of them, those of an update.</summary>
    public int RowsPerStep { get; init; } = 256;

    /// <summary>Texts on which the indexers are measured before and after; their wordings, names and prose are not tuned on.</summary>
    public int MeasuredTexts { get; init; } = 2;

    /// <summary>Of texts and order.</summary>
    public int Seed { get; init; }

    /// <summary>Threads; results do not depend on them.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;
}

/// <summary>What a tuning reports behind every text.</summary>
/// <param name="Steps">updates done</param> <param name="TotalSteps">of how many</param>
/// <param name="Figures">of the text just read, taken before it was learnt from, so it was new; a layer each</param>
/// <param name="Reading">how long the model read the text</param> <param name="Learning">how long the indexers learnt from it</param>
public sealed record IndexerTuningProgress(
    int Steps, int TotalSteps, IReadOnlyList<IndexerFigures> Figures, TimeSpan Reading, TimeSpan Learning);
