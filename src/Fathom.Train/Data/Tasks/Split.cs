namespace Fathom.Train.Data.Tasks;

/// <summary>What a task is for. No template and no name occurs in two of them.</summary>
public enum Split
{
    /// <summary>For the loss.</summary>
    Training,

    /// <summary>For choosing between runs.</summary>
    Validation,

    /// <summary>For the figures that are published.</summary>
    Test,
}

/// <summary>Parts a list of wordings among the splits by place: of every eight, one is for validation and one for the test.</summary>
internal static class Splits
{
    private const int Parts = 8;

    /// <summary>The wordings of one split; at least one if there are eight.</summary>
    public static T[] Of<T>(IEnumerable<T> wordings, Split split) => [.. wordings.Where((_, i) => OfPlace(i) == split)];

    /// <summary>The split of a name, by its letters.</summary>
    public static Split OfName(string name)
    {
        ulong hash = 0;
        foreach (char c in name)
            hash = SeededRandom.Mix(unchecked(hash * 31 + char.ToLowerInvariant(c) + 1));
        return OfPlace((int)(hash % Parts));
    }

    private static Split OfPlace(int place) => (place % Parts) switch
    {
        Parts - 2 => Split.Validation,
        Parts - 1 => Split.Test,
        _ => Split.Training,
    };
}
