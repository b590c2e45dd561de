using System.Numerics.Tensors;
using Fathom.Train.Autograd;

namespace Fathom.Train.Optimizers;

/// <summary>The joint norm of some gradients, and clipping by it.</summary>
internal static class GradientNorm
{
    /// <summary>Scales the gradients down so that their joint norm is at most <paramref name="most"/>; returns the norm before.</summary>
    public static double Clip(Tape tape, IReadOnlyList<Parameter> parameters, float most)
    {
        var squares = new double[parameters.Count];
        tape.ParallelLarge(parameters.Count, (i, _) => squares[i] = TensorPrimitives.SumOfSquares<float>(parameters[i].Gradient.Span));
        double norm = Math.Sqrt(squares.Sum());
        if (norm > most)
        {
            float scale = (float)(most / norm);
            tape.ParallelLarge(parameters.Count, (i, _) =>
                TensorPrimitives.Multiply(parameters[i].Gradient.Span, scale, parameters[i].Gradient.Span));
        }
        return norm;
    }
}
