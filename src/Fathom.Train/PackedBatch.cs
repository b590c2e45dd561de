using Fathom.Model;

namespace Fathom.Train;

/// <summary>One sample of a packed batch: rows that attend to each other and to nothing else.</summary>
/// <param name="FirstRow">where it begins</param> <param name="Count">tokens</param> <param name="IsTask">whether its targets are answers, whose loss is counted apart</param>
public readonly record struct Sample(int FirstRow, int Count, bool IsTask = false);

/// <summary>Positions left out inside a sample, so that a short sample has distances of a long text.</summary>
/// <param name="Place">the token in front of which they are</param> <param name="Positions">how many</param>
public readonly record struct PositionGap(int Place, int Positions);

/// <summary>Samples packed behind one another. Windows and compressed entries begin anew with every sample.</summary>
public sealed class PackedBatch
{
    /// <summary>The target of a row without loss.</summary>
    public const int NoTarget = -1;

    private readonly List<Sample> _samples = [];
    private readonly List<int> _tokens = [];
    private readonly List<int> _targets = [];
    private readonly List<int> _positions = [];
    private readonly List<int> _farPositions = [];

    /// <summary>Rows.</summary>
    public int Rows => _tokens.Count;

    /// <summary>The samples in order.</summary>
    public IReadOnlyList<Sample> Samples => _samples;

    /// <summary>Token ids, (T).</summary>
    public ReadOnlySpan<int> Tokens => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_tokens);

    /// <summary>What each row is to predict, or <see cref="NoTarget"/>, (T).</summary>
    public ReadOnlySpan<int> Targets => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_targets);

    /// <summary>Rotary positions in layers that see a window only, (T): without the gaps, since no such layer ever reads across one.</summary>
    public ReadOnlySpan<int> Positions => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_positions);

    /// <summary>Rotary positions in layers with compressed entries, (T).</summary>
    public ReadOnlySpan<int> FarPositions => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_farPositions);

    /// <summary>Share of the answers in the loss of a batch that has other text too; null to count every target alike.</summary>
    public double? TaskShare { get; init; }

    /// <summary>Adds a sample that predicts each next token; its last row has no loss.</summary>
    /// <param name="tokens">its text</param> <param name="firstPosition">rotary position of its first token</param>
    public void Add(ReadOnlySpan<int> tokens, int firstPosition = 0)
    {
        var targets = new int[tokens.Length];
        targets.AsSpan().Fill(NoTarget);
        tokens[1..].CopyTo(targets);
        Add(tokens, targets, firstPosition);
    }

    /// <summary>Adds a sample with targets of its own.</summary>
    /// <param name="tokens">its text, at least one token</param> <param name="targets">as many; <see cref="NoTarget"/> for no loss</param>
    /// <param name="firstPosition">rotary position of its first token</param> <param name="isTask">whether the targets are answers</param>
    /// <param name="gaps">by place, at multiples of every ratio, so that no entry has one inside</param>
    public void Add(ReadOnlySpan<int> tokens, ReadOnlySpan<int> targets, int firstPosition = 0, bool isTask = false, ReadOnlySpan<PositionGap> gaps = default)
    {
        ArgumentOutOfRangeException.ThrowIfZero(tokens.Length);
        ArgumentOutOfRangeException.ThrowIfNotEqual(targets.Length, tokens.Length);
        ArgumentOutOfRangeException.ThrowIfNegative(firstPosition);
        _samples.Add(new Sample(Rows, tokens.Length, isTask));
        _tokens.AddRange(tokens);
        _targets.AddRange(targets);
        int far = firstPosition;
        for (int i = 0; i < tokens.Length; i++)
        {
            foreach (PositionGap gap in gaps)
            {
                far += gap.Place == i ? gap.Positions : 0;
            }
            _positions.Add(firstPosition + i);
            _farPositions.Add(far + i);
        }
    }

    /// <summary>Every token and target must be in the vocabulary, every position within the context.</summary>
    /// <exception cref="ArgumentException">one is not</exception>
    internal void Check(ModelConfig config)
    {
        for (int t = 0; t < Rows; t++)
        {
            if ((uint)_tokens[t] >= (uint)config.VocabularySize || _targets[t] < NoTarget || _targets[t] >= config.VocabularySize)
            {
                throw new ArgumentException(
                    $"Row {t} of the batch has token {_tokens[t]} and target {_targets[t]}, expected ids below {config.VocabularySize}. Is this text encoded with the model's tokenizer?");
            }
            if (_farPositions[t] >= config.MaxPositions)
            {
                throw new ArgumentException($"Row {t} of the batch has position {_farPositions[t]}, expected less than {config.MaxPositions}.");
            }
        }
    }
}
