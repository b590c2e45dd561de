using Fathom.Model;

namespace Fathom.Engine;

public sealed partial class Generator
{
    // Where the sequence can go back to, shortest first.
    private readonly List<(SequenceCache Sequence, float[] Logits)> _checkpoints = [];

    /// <summary>
    /// Remembers the sequence as it is here, for <see cref="TruncateTo"/>. Costs a copy of its small state and of the logits; compressed rows are
    /// shared until the sequence writes on. A <see cref="Fork"/> begins without checkpoints.
    /// </summary>
    /// <param name="most">checkpoints to keep; the shortest are forgotten first</param>
    /// <exception cref="ArgumentOutOfRangeException">fewer than one</exception>
    /// <exception cref="RequestException">the machine has too little memory</exception>
    public void Checkpoint(int most = int.MaxValue)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1);
        if (Length > 0 && (_checkpoints.Count == 0 || _checkpoints[^1].Sequence.Length < Length))
        {
            _checkpoints.Add((Made(_sequence.Fork), [.. _logits]));
        }
        Forget(0, Math.Max(0, _checkpoints.Count - most));
    }

    /// <summary>
    /// Forgets all but the first tokens. Windows hold rows of the tokens that go, so nothing can be cut off: the sequence goes on from the longest
    /// checkpoint that is not beyond, or from nothing, and computes the tokens behind it again. It is then, bit for bit, one that has read these
    /// tokens and no others.
    /// </summary>
    /// <param name="length">tokens to keep, 0 to <see cref="Length"/>; checkpoints beyond are forgotten</param>
    /// <param name="cancellation">stops between pieces; what was computed by then stays</param>
    /// <returns>tokens that were computed again, which count as prompt tokens in <see cref="Stats"/></returns>
    /// <exception cref="RequestException">the length is out of range, or the machine has too little memory</exception>
    public int TruncateTo(int length, CancellationToken cancellation)
    {
        if (length < 0 || length > Length)
        {
            throw new RequestException($"Tokens to keep: expected 0 to {Length}, the tokens of the sequence, found {length}.");
        }
        if (length == Length)
        {
            return 0;
        }
        int[] tokens = _sequence.Tokens[..length].ToArray();
        int kept = _checkpoints.FindLastIndex(checkpoint => checkpoint.Sequence.Length <= length) + 1;
        GoBackTo(kept == 0 ? null : _checkpoints[kept - 1].Sequence, kept == 0 ? new float[_logits.Length] : _checkpoints[kept - 1].Logits);
        Forget(kept, _checkpoints.Count - kept);
        int again = length - Length;
        if (again > 0)
        {
            Read(tokens.AsSpan(Length), progress: null, cancellation);
        }
        return again;
    }

    private void GoBackTo(SequenceCache? checkpoint, float[] logits)
    {
        SequenceCache past = Made(checkpoint is null ? _transformer.NewSequence : checkpoint.Fork);
        _sequence.Dispose();
        _sequence = past;
        _speculative = _speculative is null ? null : new SpeculativeDecoder(_transformer, _device, past);
        logits.CopyTo(_logits, 0);
    }

    private void Forget(int first, int count)
    {
        for (int i = first; i < first + count; i++)
        {
            _checkpoints[i].Sequence.Dispose();
        }
        _checkpoints.RemoveRange(first, count);
    }
}
