namespace Fathom.Train.Autograd;

/// <summary>Consecutive queries of one sample whose contributions to the keys are summed together.</summary>
/// <param name="Sample">which sample</param> <param name="First">first place in it</param> <param name="End">behind the last place</param>
internal readonly record struct QueryGroup(int Sample, int First, int End)
{
    /// <summary>Its blocks, in order.</summary>
    public void ForEachBlock(Action<QueryBlock> body)
    {
        for (int first = First; first < End; first += QueryGroups.BlockRows)
        {
            body(new QueryBlock(Sample, first, Math.Min(End, first + QueryGroups.BlockRows)));
        }
    }
}

/// <summary>Queries of one sample that are scored together.</summary>
/// <param name="Sample">which sample</param> <param name="First">first place in it</param> <param name="End">behind the last place</param>
internal readonly record struct QueryBlock(int Sample, int First, int End)
{
    public int Count => End - First;
}

/// <summary>
/// How the queries of a packed batch are cut for attention: blocks share loaded keys, groups of blocks share one sum of key gradients. Both
/// depend on the samples alone, so that sums do not depend on threads.
/// </summary>
internal static class QueryGroups
{
    /// <summary>Queries that are scored together.</summary>
    public const int BlockRows = 24;

    private const int GroupsPerSample = 8;

    public static QueryGroup[] Of(IReadOnlyList<Sample> samples)
    {
        var groups = new List<QueryGroup>();
        for (int s = 0; s < samples.Count; s++)
        {
            int blocks = (samples[s].Count + BlockRows - 1) / BlockRows, rows = (blocks + GroupsPerSample - 1) / GroupsPerSample * BlockRows;
            for (int first = 0; first < samples[s].Count; first += rows)
            {
                groups.Add(new QueryGroup(s, first, Math.Min(samples[s].Count, first + rows)));
            }
        }
        return [.. groups];
    }
}
