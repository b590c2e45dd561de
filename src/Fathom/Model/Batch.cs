using System.Diagnostics;

namespace Fathom.Model;

/// <summary>Consecutive tokens of one sequence within a batch.</summary>
/// <param name="Sequence">whose tokens</param>
/// <param name="FirstRow">row of the first in the batch</param>
/// <param name="Count">number of tokens</param>
/// <param name="FirstPosition">position of the first in the sequence</param>
/// <param name="LogitCount">of how many of the last tokens logits are wanted</param>
/// <param name="Tentative">of how many of the last tokens it is not sure that they will stay: none, or the last</param>
public readonly record struct BatchSlice(SequenceCache Sequence, int FirstRow, int Count, int FirstPosition, int LogitCount, int Tentative)
{
    /// <summary>The tokens that the sequence will remember.</summary>
    public int Kept => Count - Tentative;
}

/// <summary>
/// The tokens of one forward pass: pieces of several sequences, one behind the other. Made once and filled again for every pass.
/// </summary>
public sealed class Batch
{
    private readonly int[] _tokens;
    private readonly int[] _positions;
    private readonly int[] _logitRows;
    private readonly List<BatchSlice> _slices = [];
    private int _logitCount;

    /// <summary>A batch of at most <paramref name="maxRows"/> tokens.</summary>
    public Batch(int maxRows)
    {
        _tokens = new int[maxRows];
        _positions = new int[maxRows];
        _logitRows = new int[maxRows];
    }

    /// <summary>Tokens, T.</summary>
    public int Rows { get; private set; }

    /// <summary>The largest T.</summary>
    public int MaxRows => _tokens.Length;

    /// <summary>Token ids, (T).</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, Rows);

    /// <summary>Positions within their sequences, (T).</summary>
    public ReadOnlySpan<int> Positions => _positions.AsSpan(0, Rows);

    /// <summary>Rows whose logits are wanted, ascending.</summary>
    public ReadOnlySpan<int> LogitRows => _logitRows.AsSpan(0, _logitCount);

    /// <summary>The pieces, in row order. An index loop over it allocates nothing.</summary>
    public IReadOnlyList<BatchSlice> Slices => _slices;

    /// <summary>Empties the batch.</summary>
    public void Clear()
    {
        Rows = 0;
        _logitCount = 0;
        _slices.Clear();
    }

    /// <summary>Adds the next tokens of a sequence that is not yet in the batch.</summary>
    /// <param name="sequence">whose tokens</param>
    /// <param name="tokens">at most what fits; ids within the vocabulary</param>
    /// <param name="logitCount">of how many of the last of these tokens logits are wanted</param>
    public void Add(SequenceCache sequence, ReadOnlySpan<int> tokens, int logitCount) => Add(sequence, tokens, sequence.Length, logitCount);

    /// <summary>
    /// Adds the next token of a sequence and a guess at the one behind it, with logits of both. The sequence remembers the first; the other
    /// becomes its <see cref="SequenceCache.Tentative"/>.
    /// </summary>
    /// <param name="sequence">whose tokens</param> <param name="pair">the next token, and the guess</param>
    public void AddWithGuess(SequenceCache sequence, ReadOnlySpan<int> pair)
    {
        Debug.Assert(pair.Length == 2);
        Add(sequence, pair, sequence.Length, logitCount: 2, tentative: 1);
    }

    /// <summary>Adds tokens at given positions: the MTP block runs one position behind the tokens it is given.</summary>
    internal void Add(SequenceCache sequence, ReadOnlySpan<int> tokens, int firstPosition, int logitCount, int tentative = 0)
    {
        Debug.Assert(tokens.Length > 0 && Rows + tokens.Length <= MaxRows && logitCount <= tokens.Length && !Holds(sequence));
        _slices.Add(new BatchSlice(sequence, Rows, tokens.Length, firstPosition, logitCount, tentative));
        for (int i = 0; i < tokens.Length; i++)
        {
            _tokens[Rows + i] = tokens[i];
            _positions[Rows + i] = firstPosition + i;
        }
        Rows += tokens.Length;
        for (int i = logitCount; i > 0; i--)
        {
            _logitRows[_logitCount++] = Rows - i;
        }
    }

    private bool Holds(SequenceCache sequence)
    {
        foreach (BatchSlice slice in _slices)
        {
            if (ReferenceEquals(slice.Sequence, sequence))
            {
                return true;
            }
        }
        return false;
    }
}
