using Fathom.Model;
using Fathom.Tests.Reference;
using Fathom.Train.Model;

namespace Fathom.Train.Tests.Model;

/// <summary>The same weights for the trainer and for the reference in double precision.</summary>
internal static class TrainedModel
{
    public static Parameters Parameters(ModelConfig config, IReadOnlyDictionary<string, WeightArray> weights)
    {
        var p = new Parameters(config);
        foreach (ExpectedWeight weight in p.Expected)
        {
            float[] values = weights[weight.Name].Values;
            if (weight.Role == WeightRole.Ids)
            {
                Array.ConvertAll(values, value => (int)value).CopyTo(p.Table(weight.Key.Layer), 0);
            }
            else
            {
                values.CopyTo(p[weight.Key.Part, weight.Key.Layer, weight.Key.Expert].Value.Span);
            }
        }
        return p;
    }

    public static PackedBatch Pack(ModelConfig config, int seed, params int[] lengths)
    {
        var random = new Random(seed);
        var batch = new PackedBatch();
        foreach (int length in lengths)
        {
            batch.Add([.. Enumerable.Range(0, length).Select(_ => random.Next(config.VocabularySize))]);
        }
        return batch;
    }

    /// <summary>Mean cross-entropy of the main head, and of MTP's, over all samples of a batch.</summary>
    public static (double Main, double Mtp) Loss(ReferenceModel model, PackedBatch batch)
    {
        double main = 0, mtp = 0;
        int mainCount = 0, mtpCount = 0;
        foreach (Sample sample in batch.Samples)
        {
            ReferenceTrace trace = model.Run(batch.Tokens.Slice(sample.FirstRow, sample.Count).ToArray());
            (main, mainCount) = Sum(trace.Logits, trace.Tokens.AsSpan(1), (main, mainCount));
            if (model.Config.MtpLayerCount > 0 && sample.Count > 2)
            {
                (mtp, mtpCount) = Sum(model.RunMtp(trace).Logits, trace.Tokens.AsSpan(2), (mtp, mtpCount));
            }
        }
        return (main / mainCount, mtpCount == 0 ? 0 : mtp / mtpCount);
    }

    private static (double, int) Sum(double[][] logits, ReadOnlySpan<int> targets, (double Sum, int Count) before)
    {
        for (int t = 0; t < targets.Length; t++)
        {
            double most = logits[t].Max();
            before = (before.Sum + most + Math.Log(logits[t].Sum(z => Math.Exp(z - most))) - logits[t][targets[t]], before.Count + 1);
        }
        return before;
    }
}
