namespace Fathom.Train.Evaluation;

/// <summary>Answers whose depth or distance lies in a range.</summary>
/// <param name="From">inclusive</param> <param name="To">exclusive, but for depth 1</param> <param name="Correct">of the answers there</param>
public sealed record NeedleBucket(double From, double To, Proportion Correct);

/// <summary>Sorts answers by where their evidence stands.</summary>
public static class NeedleTable
{
    /// <summary>Buckets of the depth.</summary>
    public const int Depths = 10;

    /// <summary>All of the answers.</summary>
    public static Proportion Accuracy(IReadOnlyCollection<NeedleAnswer> answers) => Proportion.Of(answers, answer => answer.IsCorrect);

    /// <summary>Ten equal buckets from the beginning to the end of the context; some may be empty.</summary>
    public static IReadOnlyList<NeedleBucket> ByDepth(IReadOnlyCollection<NeedleAnswer> answers)
    {
        ILookup<int, NeedleAnswer> buckets = answers.ToLookup(answer => Math.Min((int)(answer.Depth * Depths), Depths - 1));
        return [.. Enumerable.Range(0, Depths).Select(i => new NeedleBucket((double)i / Depths, (i + 1.0) / Depths, Accuracy([.. buckets[i]])))];
    }

    /// <summary>Distances by powers of two, in tokens, without empty buckets.</summary>
    public static IReadOnlyList<NeedleBucket> ByDistance(IReadOnlyCollection<NeedleAnswer> answers) =>
    [
        .. answers.GroupBy(answer => (int)Math.Log2(answer.Distance)).OrderBy(group => group.Key)
            .Select(group => new NeedleBucket(Math.Pow(2, group.Key), Math.Pow(2, group.Key + 1), Accuracy([.. group]))),
    ];
}
