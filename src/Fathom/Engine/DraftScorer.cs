using System.Runtime.InteropServices;
using Fathom.Devices;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Engine;

/// <summary>
/// How often MTP guesses what the model would say next in a text that neither of them wrote: at every place both draw with the same random
/// number, as <see cref="Generator"/> does when it speculates.
/// </summary>
public static class DraftScorer
{
    /// <summary>Reads a text once, the begin-of-text token in front.</summary>
    /// <param name="model">with an MTP block</param> <param name="device">the device it is on</param>
    /// <param name="tokens">the text; ids within the vocabulary</param> <param name="sampling">how both draw</param>
    /// <param name="progress">told the tokens read so far, or null</param> <param name="cancellation">stops between pieces</param>
    /// <returns>guesses that were right, of how many</returns>
    /// <exception cref="RequestException">the model has no MTP block, or the text is empty, too long or holds a foreign id</exception>
    public static (int Right, int Guesses) Score(
        LanguageModel model, Device device, ReadOnlySpan<int> tokens, SamplingOptions sampling, Action<int>? progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(device);
        Transformer transformer = model.Transformer;
        if (!transformer.CanDraft)
        {
            throw new RequestException("The model has no MTP block, so there are no guesses to count.");
        }
        PromptCheck.Require(tokens, model.Config.MaxPositions - 1, model.Config.VocabularySize);
        int[] inputs = [model.Config.BosToken, .. tokens];
        using SequenceCache sequence = transformer.NewSequence();
        var batch = new Batch(transformer.MaxRows);
        var sampler = new Sampler(sampling, model.Config.VocabularySize);
        var row = new float[model.Config.VocabularySize];
        (int right, int guesses) = (0, 0);
        for (int first = 0, count; first < inputs.Length; first += count)
        {
            cancellation.ThrowIfCancellationRequested();
            count = Math.Min(batch.MaxRows, inputs.Length - first);
            batch.Clear();
            batch.Add(sequence, inputs.AsSpan(first, count), logitCount: count);
            Tensor logits = transformer.ForwardAndDraft(batch), drafts = transformer.DraftLogits;
            // Draft row t is about what follows the same token as logit row t; the token at position 0 has no draft.
            for (int t = 0, skipped = count - drafts.Rows; t < drafts.Rows; t++)
            {
                device.Download(drafts.Row(t), MemoryMarshal.AsBytes(row.AsSpan()));
                int guess = sampler.Guess(row);
                device.Download(logits.Row(t + skipped), MemoryMarshal.AsBytes(row.AsSpan()));
                right += sampler.Next(row).Id == guess ? 1 : 0;
                guesses++;
            }
            progress?.Invoke(first + count);
        }
        return (right, guesses);
    }
}
