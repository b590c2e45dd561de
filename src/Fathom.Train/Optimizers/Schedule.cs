namespace Fathom.Train.Optimizers;

/// <summary>How the learning rate falls at the end of a run.</summary>
public enum DecayShape
{
    /// <summary>In a straight line.</summary>
    Linear,

    /// <summary>Half a cosine.</summary>
    Cosine,
}

/// <summary>The learning rate over a run: a linear warm-up, a constant part, a decay.</summary>
public sealed record Schedule
{
    /// <summary>The constant part's rate.</summary>
    public required float PeakRate { get; init; }

    /// <summary>Steps of the run.</summary>
    public required long TotalSteps { get; init; }

    /// <summary>Steps over which the rate rises.</summary>
    public long WarmupSteps { get; init; }

    /// <summary>Steps at the end over which it falls.</summary>
    public long DecaySteps { get; init; }

    /// <summary>Part of the peak rate that is left at the end.</summary>
    public float FinalFraction { get; init; }

    /// <summary>How it falls.</summary>
    public DecayShape Shape { get; init; } = DecayShape.Linear;

    /// <summary>The rate of a step, counted from 0; behind the end the final rate.</summary>
    public float RateAt(long step)
    {
        if (step < WarmupSteps)
        {
            return PeakRate * (step + 1) / WarmupSteps;
        }
        long left = TotalSteps - step;
        if (left > DecaySteps || DecaySteps == 0)
        {
            return PeakRate;
        }
        float remaining = Math.Max(0, left) / (float)DecaySteps;
        float part = Shape == DecayShape.Linear ? remaining : (1 - MathF.Cos(MathF.PI * remaining)) / 2;
        return PeakRate * (FinalFraction + ((1 - FinalFraction) * part));
    }
}
