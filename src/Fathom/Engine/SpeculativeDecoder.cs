using System.Runtime.InteropServices;
using Fathom.Devices;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Engine;

/// <summary>
/// Computes a token together with a guess at the next one. The guess is what the sampler would draw from MTP's logits with the very draw that comes
/// next; the token itself is always drawn from the model's own logits, so a wrong guess costs time and never shows.
/// </summary>
internal sealed class SpeculativeDecoder
{
    private readonly Transformer _transformer;
    private readonly Device _device;
    private readonly SequenceCache _sequence;
    private readonly Batch _batch = new(2);
    private readonly int[] _pair = new int[2];
    private readonly float[] _behindGuess;
    private readonly float[] _draft;

    /// <param name="transformer">with an MTP block, which has seen all of the sequence</param>
    /// <param name="device">the device it is on</param> <param name="sequence">of at least one token before the first step</param>
    /// <exception cref="RequestException">there is no MTP block</exception>
    public SpeculativeDecoder(Transformer transformer, Device device, SequenceCache sequence)
    {
        if (!transformer.CanDraft)
        {
            throw new RequestException("The model has no MTP block to guess tokens with. Leave speculative decoding off.");
        }
        _transformer = transformer;
        _device = device;
        _sequence = sequence;
        _behindGuess = new float[transformer.Config.VocabularySize];
        _draft = new float[transformer.Config.VocabularySize];
    }

    /// <summary>Appends a token. False, and nothing done, if there is no guess at the one behind it.</summary>
    /// <param name="token">the next one</param> <param name="sampler">which will draw the one behind it</param>
    /// <param name="context">tokens the sequence may hold</param> <param name="logits">(vocabulary), those after the token</param>
    /// <param name="stats">counts guesses</param>
    public bool TryNext(int token, Sampler sampler, int context, float[] logits, GenerationStats stats)
    {
        if (_sequence.Tentative == token)
        {
            _transformer.Confirm(_sequence);
            _behindGuess.CopyTo(logits, 0);
            stats.RightGuesses++;
            return true;
        }
        int guess = _sequence.Length + 2 <= context ? Guess(token, sampler) : SequenceCache.None;
        if (guess == SequenceCache.None)
        {
            return false;
        }
        (_pair[0], _pair[1]) = (token, guess);
        _batch.Clear();
        _batch.AddWithGuess(_sequence, _pair);
        Tensor both = _transformer.ForwardAndDraft(_batch);
        Download(both.Row(0), logits);
        Download(both.Row(1), _behindGuess);
        stats.Guesses++;
        return true;
    }

    private int Guess(int token, Sampler sampler)
    {
        _batch.Clear();
        _batch.Add(_sequence, new ReadOnlySpan<int>(in token), logitCount: 1);
        Download(_transformer.Draft(_batch), _draft);
        return sampler.Guess(_draft);
    }

    private void Download(in Tensor row, float[] target) => _device.Download(row, MemoryMarshal.AsBytes(target.AsSpan()));
}
