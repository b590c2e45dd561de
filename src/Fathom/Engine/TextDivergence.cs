using System.Numerics.Tensors;
using Fathom.Devices;

namespace Fathom.Engine;

/// <summary>
/// How far a model's predictions are from a reference's on the same texts, token by token: KL divergence Σ p (ln p − ln q), p the reference's
/// distribution, and whether the likeliest token is the same. Adds up over texts. Not thread-safe.
/// </summary>
public sealed class TextDivergence
{
    private double _divergence;
    private long _agreements;

    /// <summary>Tokens compared.</summary>
    public long Tokens { get; private set; }

    /// <summary>Mean KL divergence, nats a token; NaN before the first.</summary>
    public double MeanKl => _divergence / Tokens;

    /// <summary>The largest KL divergence of a token, nats.</summary>
    public double LargestKl { get; private set; }

    /// <summary>Share of tokens for which both find the same token likeliest, 0 to 1; NaN before the first.</summary>
    public double TopAgreement => (double)_agreements / Tokens;

    /// <summary>−ln p of the texts by the reference, summed; <see cref="Add"/> returns the model's.</summary>
    public double ReferenceNats { get; private set; }

    /// <summary>Reads a text with both models, the begin-of-text token in front, in one running context.</summary>
    /// <param name="reference">p: a loaded model and the device it is on</param>
    /// <param name="model">q, with the same vocabulary</param>
    /// <param name="tokens">the text; ids within the vocabulary</param>
    /// <param name="progress">told the tokens compared so far, or null</param>
    /// <param name="cancellation">stops between pieces</param>
    /// <returns>nats of the text by q, as <see cref="TextScorer.Score"/> gives them</returns>
    /// <exception cref="ArgumentException">the vocabularies differ in size</exception>
    /// <exception cref="RequestException">the text is empty, does not fit the models' positions or holds a foreign id</exception>
    public double Add(
        (LanguageModel Model, Device Device) reference, (LanguageModel Model, Device Device) model, ReadOnlySpan<int> tokens,
        Action<int>? progress, CancellationToken cancellation)
    {
        if (reference.Model.Config.VocabularySize != model.Model.Config.VocabularySize)
        {
            throw new ArgumentException(
                $"Expected models of one vocabulary, found {reference.Model.Config.VocabularySize} and {model.Model.Config.VocabularySize} tokens.",
                nameof(model));
        }
        using var expected = new TextLogits(reference.Model, reference.Device, tokens);
        using var found = new TextLogits(model.Model, model.Device, tokens);
        double nats = 0;
        for (int t = 0; t < tokens.Length; t++)
        {
            if (t == found.Read)
            {
                cancellation.ThrowIfCancellationRequested();
            }
            nats += Compare(expected.Row(t), found.Row(t), tokens[t]);
            if (t + 1 == found.Read)
            {
                progress?.Invoke(t + 1);
            }
        }
        return nats;
    }

    // −ln q of the token.
    private double Compare(ReadOnlySpan<float> expected, ReadOnlySpan<float> found, int token)
    {
        double logSum = LogProbabilities.LogSum(expected), foundLogSum = LogProbabilities.LogSum(found), divergence = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            double logP = expected[i] - logSum;
            divergence += Math.Exp(logP) * (logP - (found[i] - foundLogSum));
        }
        Tokens++;
        _divergence += divergence;
        LargestKl = Math.Max(LargestKl, divergence);
        _agreements += TensorPrimitives.IndexOfMax(expected) == TensorPrimitives.IndexOfMax(found) ? 1 : 0;
        ReferenceNats += logSum - expected[token];
        return foundLogSum - found[token];
    }
}
