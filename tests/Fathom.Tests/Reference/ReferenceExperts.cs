using Fathom.Devices;
using Fathom.Model;

namespace Fathom.Tests.Reference;

/// <summary>One token's experts: ids best first (or in the table's order) and their weights.</summary>
internal sealed record Routing(int[] Ids, double[] Weights);

/// <summary>The mixture of experts with its results.</summary>
internal sealed record ExpertsTrace(double[][] Output, Routing[] Routings);

/// <summary>Mixture of experts (§2.1): hash or scored routing, routed experts and a shared one.</summary>
internal sealed class ReferenceExperts(ModelConfig config, LayerPlan plan, ReferenceTensors weights, string prefix)
{
    /// <param name="x">(S, d)</param> <param name="tokens">The tokens' ids, for hash routing.</param>
    public ExpertsTrace Run(double[][] x, int[] tokens)
    {
        Routing[] routings = ReferenceLinear.ForEachRow(x.Length, t => Route(x[t], tokens[t]));
        double[][] output = ReferenceLinear.ForEachRow(x.Length, t =>
        {
            double[] y = Expert("shared_experts", x[t], 1);
            for (int i = 0; i < routings[t].Ids.Length; i++)
            {
                double[] routed = Expert($"experts.{routings[t].Ids[i]}", x[t], routings[t].Weights[i]);
                for (int j = 0; j < y.Length; j++) y[j] += routed[j];
            }

            return y;
        });
        return new ExpertsTrace(output, routings);
    }

    public Routing Route(double[] x, int token)
    {
        double[] scores = Scores(ReferenceLinear.Apply(weights[$"{prefix}.gate.weight"], x), config.Scoring);
        int[] ids = plan.Routing == RoutingKind.Hash
            ? Array.ConvertAll(weights[$"{prefix}.gate.tid2eid"].Row(token), id => (int)id)
            : Best(scores, weights[$"{prefix}.gate.bias"].Values, config.ExpertsPerToken);
        return new Routing(ids, Weights(scores, ids, config));
    }

    public static double[] Scores(double[] logits, ScoringFunction scoring)
    {
        switch (scoring)
        {
            case ScoringFunction.Sigmoid:
                return Array.ConvertAll(logits, ReferenceLinear.Sigmoid);
            case ScoringFunction.Softmax:
                double most = logits.Max();
                double sum = logits.Sum(logit => Math.Exp(logit - most));
                return Array.ConvertAll(logits, logit => Math.Exp(logit - most) / sum);
            default:
                // log(1 + e^z) written so that neither a large nor a very negative z loses digits: log(1 + e) = 2 artanh(e / (2 + e)).
                return Array.ConvertAll(logits, z =>
                {
                    double e = Math.Exp(-Math.Abs(z));
                    return Math.Sqrt(Math.Max(z, 0) + 2 * Math.Atanh(e / (2 + e)));
                });
        }
    }

    /// <summary>The best by score plus bias, best first; a tie goes to the lower id.</summary>
    public static int[] Best(double[] scores, double[] bias, int count) =>
        [.. Enumerable.Range(0, scores.Length).OrderByDescending(e => scores[e] + bias[e]).ThenBy(e => e).Take(count)];

    /// <summary>The chosen experts' scores, without bias, divided by their sum if so configured, times the scaling factor.</summary>
    public static double[] Weights(double[] scores, int[] ids, ModelConfig config)
    {
        double[] chosen = Array.ConvertAll(ids, id => scores[id]);
        double sum = config.NormalizeExpertWeights ? chosen.Sum() : 1;
        return Array.ConvertAll(chosen, score => score / sum * config.RoutedScalingFactor);
    }

    /// <summary>w2 · (weight · silu(min(w1 x, limit)) ⊙ clamp(w3 x, ±limit)); a limit of 0 is none.</summary>
    public static double[] SwiGlu(double[] x, ReferenceTensor w1, ReferenceTensor w2, ReferenceTensor w3, double limit, double weight)
    {
        double[] gate = ReferenceLinear.Apply(w1, x);
        double[] up = ReferenceLinear.Apply(w3, x);
        for (int i = 0; i < gate.Length; i++)
        {
            double g = limit > 0 ? Math.Min(gate[i], limit) : gate[i];
            double u = limit > 0 ? Math.Clamp(up[i], -limit, limit) : up[i];
            gate[i] = weight * g * ReferenceLinear.Sigmoid(g) * u;
        }

        return ReferenceLinear.Apply(w2, gate);
    }

    private double[] Expert(string name, double[] x, double weight) => SwiGlu(
        x,
        weights[$"{prefix}.{name}.w1.weight"],
        weights[$"{prefix}.{name}.w2.weight"],
        weights[$"{prefix}.{name}.w3.weight"],
        config.SwiGluLimit,
        weight);
}
