using Fathom.Train.Autograd;

namespace Fathom.Train.Optimizers;

/// <summary>
/// For embedding, head and everything small: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², W ← (1 − η λ) W − η m̂ / (√v̂ + ε). Only the
/// embedding and the head decay; norms, sinks and biases would be drawn away from where they mean nothing.
/// </summary>
internal sealed class AdamW
{
    private const float Beta1 = 0.9f;
    private const float Beta2 = 0.95f;
    private const float Epsilon = 1e-20f;

    private readonly Parameter[] _parameters;
    private readonly Memory<float>[] _means;
    private readonly Memory<float>[] _squares;

    public AdamW(IEnumerable<Parameter> parameters)
    {
        _parameters = [.. parameters];
        _means = [.. _parameters.Select(p => Arena.Aligned(p.Value.Length))];
        _squares = [.. _parameters.Select(p => Arena.Aligned(p.Value.Length))];
    }

    /// <summary>What must be kept to resume, in a fixed order.</summary>
    public IEnumerable<Memory<float>> State => _means.Concat(_squares);

    /// <param name="tape">for threads</param> <param name="step">number of this update, from 1</param> <param name="rate">η of a parameter</param>
    /// <param name="decay">λ</param>
    public void Update(Tape tape, long step, Func<Parameter, float> rate, float decay)
    {
        float meanScale = (float)(1 / (1 - Math.Pow(Beta1, step))), squareScale = (float)(1 / (1 - Math.Pow(Beta2, step)));
        tape.ParallelLarge(_parameters.Length, (n, _) =>
        {
            Parameter parameter = _parameters[n];
            float eta = rate(parameter), keep = parameter.Weight.Key.Part is Fathom.Model.WeightPart.Embedding or Fathom.Model.WeightPart.Head ? 1 - (eta * decay) : 1;
            Span<float> w = parameter.Value.Span, g = parameter.Gradient.Span, m = _means[n].Span, v = _squares[n].Span;
            for (int i = 0; i < w.Length; i++)
            {
                m[i] = (Beta1 * m[i]) + ((1 - Beta1) * g[i]);
                v[i] = (Beta2 * v[i]) + ((1 - Beta2) * g[i] * g[i]);
                w[i] = (keep * w[i]) - (eta * m[i] * meanScale / (MathF.Sqrt(v[i] * squareScale) + Epsilon));
            }
        });
    }
}
