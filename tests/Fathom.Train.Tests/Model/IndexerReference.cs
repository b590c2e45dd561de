using Fathom.Model;
using Fathom.Tests.Reference;

namespace Fathom.Train.Tests.Model;

/// <summary>
/// The divergence of layer 0's indexer from attention in double precision, attention's weights and the indexer's inputs taken once with the
/// weights as given: they are constants to the indexer.
/// </summary>
internal sealed class IndexerReference
{
    private const double Step = 1e-6;

    private readonly ModelConfig _config;
    private readonly ReferenceTensors _tensors;
    private readonly List<(double[][] X, double[][] Latent, double[][] Teacher)> _samples = [];

    public IndexerReference(ModelConfig config, ReferenceTensors tensors, PackedBatch pack)
    {
        _config = config;
        _tensors = tensors;
        var model = new ReferenceModel(config, tensors);
        foreach (Sample sample in pack.Samples)
        {
            BlockTrace trace = model.Run(pack.Tokens.Slice(sample.FirstRow, sample.Count).ToArray()).Layers[0];
            double[][] latent = [.. trace.AttentionIn.Select(x =>
                ReferenceLinear.RmsNorm(ReferenceLinear.Apply(Weight("wq_a"), x), Weight("q_norm"), config.RmsNormEpsilon))];
            _samples.Add((trace.AttentionIn, latent, Teacher(latent, trace.Attention)));
        }
    }

    public double Divergence()
    {
        double sum = 0;
        int count = 0;
        var shape = new ReferenceIndexer.Shape(_config.IndexHeadCount, _config.IndexHeadDim, _config.IndexTopK, 4, _config.RmsNormEpsilon);
        foreach ((double[][] x, double[][] latent, double[][] teacher) in _samples)
        {
            IndexTrace trace = new ReferenceIndexer(_tensors, "layers.0.attn.indexer", shape, Rope).Run(x, latent, CacheRounding.None);
            for (int t = 3; t < x.Length; t++)
            {
                double[] scores = trace.Scores[t][..((t + 1) / 4)];
                double logSum = Math.Log(scores.Sum(Math.Exp));
                sum += teacher[t].Zip(scores, (target, score) => target * (Math.Log(target) - score + logSum)).Sum();
                count++;
            }
        }
        return sum / count;
    }

    public double Difference(string name, int place)
    {
        ref double value = ref _tensors[name].Values[place];
        double kept = value;
        value = kept + Step;
        double up = Divergence();
        value = kept - Step;
        double down = Divergence();
        value = kept;
        return (up - down) / (2 * Step);
    }

    private ReferenceRope Rope => ReferenceRope.For(_config, compressed: true);

    // Joint softmax over window, entries and sink, summed over heads, over the entries alone made to sum to one.
    private double[][] Teacher(double[][] latent, AttentionTrace trace)
    {
        double[] sinks = _tensors["layers.0.attn.attn_sink"].Values;
        return [.. latent.Select((row, t) =>
        {
            int first = Math.Max(0, t + 1 - _config.SlidingWindow);
            double[][] keys = [.. trace.Window.Rows[first..(t + 1)], .. trace.Compressed!.Rows[..((t + 1) / 4)]];
            var mass = new double[(t + 1) / 4];
            foreach ((int h, double[] raw) in ReferenceLinear.Apply(Weight("wq_b"), row).Chunk(_config.HeadDim).Index())
            {
                double rms = ReferenceLinear.InverseRms(raw, _config.RmsNormEpsilon);
                double[] query = Rope.Rotate([.. raw.Select(value => value * rms)], t);
                double[] weights = [.. keys.Select(key => Math.Exp(ReferenceLinear.Dot(query, key) / Math.Sqrt(query.Length)))];
                double sum = weights.Sum() + Math.Exp(sinks[h]);
                for (int e = 0; e < mass.Length; e++)
                {
                    mass[e] += weights[keys.Length - mass.Length + e] / sum;
                }
            }
            double total = mass.Sum();
            return mass.Select(value => value / total).ToArray();
        })];
    }

    private ReferenceTensor Weight(string name) => _tensors[$"layers.0.attn.{name}.weight"];
}
