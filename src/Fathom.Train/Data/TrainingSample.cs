namespace Fathom.Train.Data;

/// <summary>Tokens that attend to each other and to nothing else, with what each row is to predict.</summary>
/// <param name="Tokens">ids, BOS first</param> <param name="Targets">as many; <see cref="NoTarget"/> for a row without loss</param>
/// <param name="Source">name of the source it was drawn from</param> <param name="IsTask">whether the targets are answers to a task</param>
public sealed record TrainingSample(int[] Tokens, int[] Targets, string Source, bool IsTask = false)
{
    /// <summary>The target of a row without loss.</summary>
    public const int NoTarget = -1;
}

/// <summary>Something that samples are drawn from. A draw depends on its arguments alone, so that a run can be resumed from a few numbers.</summary>
public interface ISampleSource
{
    /// <summary>For logs.</summary>
    string Name { get; }

    /// <summary>Samples of <paramref name="length"/> rows together at most.</summary>
    /// <param name="seed">of the whole run</param> <param name="drawn">rows drawn from this source before</param> <param name="length">rows</param>
    IReadOnlyList<TrainingSample> Draw(ulong seed, long drawn, int length);
}

/// <summary>
/// Windows over a dataset. Each pass visits every window once, in an order and with a shift of its own; a window that spans documents becomes
/// a sample per document.
/// </summary>
/// <param name="name">for logs</param> <param name="dataset">the documents</param> <param name="begin">id of BOS, which opens every sample</param>
public sealed class TextSource(string name, TokenDataset dataset, int begin) : ISampleSource
{
    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public IReadOnlyList<TrainingSample> Draw(ulong seed, long drawn, int length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 2);
        long pass = drawn / dataset.Tokens;
        int windows = Math.Max(1, dataset.Tokens / length);
        long slot = Math.Min(drawn % dataset.Tokens / length, windows - 1);
        var random = new SeededRandom(seed, (ulong)pass);
        int shift = random.Next(length);

        // i → (a·i + b) mod n visits every i once if a and n have no common divisor.
        long multiplier = 1 + random.Next(windows);
        while (Gcd(multiplier, windows) != 1)
            multiplier++;
        long window = (multiplier * slot + random.Next(windows)) % windows;
        return Cut((int)((window * length + shift) % dataset.Tokens), length);
    }

    private List<TrainingSample> Cut(int at, int length)
    {
        var samples = new List<TrainingSample>();
        while (length > 1)
        {
            int end = dataset.DocumentEnd(at);
            int count = Math.Min(length - 1, end - at);
            ReadOnlySpan<int> ids = dataset.Ids.Slice(at, count);
            int[] tokens = [begin, .. ids];
            int[] targets = [.. ids, at + count < end ? dataset.Ids[at + count] : TrainingSample.NoTarget];
            samples.Add(new TrainingSample(tokens, targets, name));
            length -= tokens.Length;
            at = at + count < dataset.Tokens ? at + count : 0;
        }

        return samples;
    }

    private static long Gcd(long a, long b) => b == 0 ? a : Gcd(b, a % b);
}
