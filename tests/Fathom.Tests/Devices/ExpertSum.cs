using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Tests.Devices;

/// <summary>
/// What the experts of one token add up to, and how far single precision may be from it. Gate and up may cancel far below their products'
/// magnitudes, so the errors of both are carried through SwiGLU to every output.
/// </summary>
/// <param name="x">the token</param> <param name="limit">SwiGLU's clamp, 0 for none</param> <param name="terms">experts that are added</param>
internal sealed class ExpertSum(double[] x, double limit, int terms)
{
    // The steepest slope of x · σ(x).
    private const double SiluSlope = 1.1;

    private readonly double[] _sum = new double[x.Length];
    private readonly double[] _allowed = new double[x.Length];

    /// <param name="w">w1, w2, w3</param> <param name="factor">the expert's weight</param>
    public void Add(ReferenceTensor[] w, double factor)
    {
        double[] y = ReferenceExperts.SwiGlu(x, w[0], w[1], w[2], limit, factor);
        double[] gate = ReferenceLinear.Apply(w[0], x), up = ReferenceLinear.Apply(w[2], x);
        double[] gateSize = Magnitudes(w[0], x), upSize = Magnitudes(w[2], x), errors = new double[gate.Length];
        double product = Tolerances.Sum(x.Length), rest = Tolerances.Sum(gate.Length + terms) + Tolerances.Function;
        for (int h = 0; h < errors.Length; h++)
        {
            double g = limit > 0 ? Math.Min(gate[h], limit) : gate[h], u = limit > 0 ? Math.Clamp(up[h], -limit, limit) : up[h];
            double silu = Math.Abs(g * ReferenceLinear.Sigmoid(g)), size = silu * Math.Abs(u);
            errors[h] = Math.Abs(factor) * ((SiluSlope * product * gateSize[h] * Math.Abs(u)) + (silu * product * upSize[h]) + (rest * size));
        }

        double[] allowed = Magnitudes(w[1], errors);
        for (int i = 0; i < y.Length; i++)
        {
            _sum[i] += y[i];
            _allowed[i] += allowed[i];
        }
    }

    public void Check(double[] found, string of)
    {
        for (int i = 0; i < found.Length; i++)
        {
            double error = Math.Abs(found[i] - _sum[i]);
            Assert.True(error <= _allowed[i], $"{of}: column {i} is {found[i]}, expected {_sum[i]}, {error:E2} apart of {_allowed[i]:E2}");
        }
    }

    // Σ |w| |x|.
    private static double[] Magnitudes(ReferenceTensor w, double[] x) =>
        ReferenceLinear.Apply(new ReferenceTensor(w.Shape, Array.ConvertAll(w.Values, Math.Abs)), Array.ConvertAll(x, Math.Abs));
}
