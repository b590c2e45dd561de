using System.Runtime.InteropServices;
using Fathom.Devices;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Engine;

/// <summary>How surprised a model is by a text: the sum of −log p of its tokens in one running context.</summary>
public static class TextScorer
{
    /// <summary>Reads a text once, the begin-of-text token in front, and scores every token of it.</summary>
    /// <param name="model">a loaded model</param>
    /// <param name="device">the device it is on</param>
    /// <param name="tokens">the text; ids within the vocabulary</param>
    /// <param name="progress">told the tokens scored so far, or null</param>
    /// <param name="cancellation">stops between pieces</param>
    /// <returns>nats, summed over all tokens</returns>
    /// <exception cref="RequestException">the text is empty, does not fit the model's positions or holds a foreign id</exception>
    public static double Score(
        LanguageModel model, Device device, ReadOnlySpan<int> tokens, Action<int>? progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(device);
        // The last token is only predicted, never read, and the begin-of-text token takes its place.
        PromptCheck.Require(tokens, model.Config.MaxPositions, model.Config.VocabularySize);
        int[] inputs = [model.Config.BosToken, .. tokens[..^1]];
        Transformer transformer = model.Transformer;
        using SequenceCache sequence = transformer.NewSequence();
        var batch = new Batch(transformer.MaxRows);
        var row = new float[model.Config.VocabularySize];
        double nats = 0;
        for (int first = 0, count; first < inputs.Length; first += count)
        {
            cancellation.ThrowIfCancellationRequested();
            count = Math.Min(batch.MaxRows, inputs.Length - first);
            batch.Clear();
            batch.Add(sequence, inputs.AsSpan(first, count), logitCount: count);
            Tensor logits = transformer.Forward(batch);
            for (int t = 0; t < count; t++)
            {
                device.Download(logits.Row(t), MemoryMarshal.AsBytes(row.AsSpan()));
                nats -= LogProbabilities.Of(row, tokens[first + t]);
            }
            progress?.Invoke(first + count);
        }
        return nats;
    }
}
