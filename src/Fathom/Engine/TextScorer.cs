using Fathom.Devices;

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
        using var logits = new TextLogits(model, device, tokens);
        double nats = 0;
        for (int t = 0; t < tokens.Length; t++)
        {
            if (t == logits.Read)
            {
                cancellation.ThrowIfCancellationRequested();
            }
            nats -= LogProbabilities.Of(logits.Row(t), tokens[t]);
            if (t + 1 == logits.Read)
            {
                progress?.Invoke(t + 1);
            }
        }
        return nats;
    }
}
