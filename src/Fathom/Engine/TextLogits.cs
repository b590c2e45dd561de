using System.Runtime.InteropServices;
using Fathom.Devices;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Engine;

/// <summary>Reads a text once, the begin-of-text token in front, and gives the logits that each of its tokens was predicted with, in order.</summary>
internal sealed class TextLogits : IDisposable
{
    private readonly Transformer _transformer;
    private readonly Device _device;
    private readonly SequenceCache _sequence;
    private readonly Batch _batch;
    private readonly int[] _inputs;
    private readonly float[] _row;
    private Tensor _logits;
    private int _first;

    /// <param name="model">a loaded model</param>
    /// <param name="device">the device it is on</param>
    /// <param name="tokens">the text; ids within the vocabulary</param>
    /// <exception cref="RequestException">the text is empty, does not fit the model's positions or holds a foreign id</exception>
    public TextLogits(LanguageModel model, Device device, ReadOnlySpan<int> tokens)
    {
        PromptCheck.Require(tokens, model.Config.MaxPositions, model.Config.VocabularySize);
        // The last token is only predicted, never read, and the begin-of-text token takes its place.
        _inputs = [model.Config.BosToken, .. tokens[..^1]];
        _transformer = model.Transformer;
        _device = device;
        _batch = new Batch(_transformer.MaxRows);
        _row = new float[model.Config.VocabularySize];
        _sequence = _transformer.NewSequence();
    }

    /// <summary>Tokens whose logits have been computed.</summary>
    public int Read { get; private set; }

    /// <summary>The logits that token <paramref name="index"/> was predicted with, until the next call; indices rise by one.</summary>
    public ReadOnlySpan<float> Row(int index)
    {
        if (index == Read)
        {
            _first = Read;
            int count = Math.Min(_batch.MaxRows, _inputs.Length - _first);
            _batch.Clear();
            _batch.Add(_sequence, _inputs.AsSpan(_first, count), logitCount: count);
            _logits = _transformer.Forward(_batch);
            Read += count;
        }
        _device.Download(_logits.Row(index - _first), MemoryMarshal.AsBytes(_row.AsSpan()));
        return _row;
    }

    /// <inheritdoc/>
    public void Dispose() => _sequence.Dispose();
}
