using System.Runtime.Intrinsics;

namespace Fathom.Train.Autograd.Kernels;

/// <summary>One row of numbers that lie panel by panel, (panels, R, 32): row r's part of panel p is at ((p · R) + r) · 32.</summary>
internal static class PanelRows
{
    private const int Width = KeyBlock.Width;
    private const int Lanes = 16;

    /// <summary>Numbers outside a range of columns become −∞; columns are counted from the first of the panels.</summary>
    public static void Keep(Span<float> numbers, int rows, int r, (int First, int End) panels, (int First, int End) columns)
    {
        for (int p = panels.First; p < panels.End; p++)
        {
            int column = (p - panels.First) * Width;
            Span<float> part = numbers.Slice(((p * rows) + r) * Width, Width);
            int first = Math.Clamp(columns.First - column, 0, Width), end = Math.Clamp(columns.End - column, first, Width);
            part[..first].Fill(float.NegativeInfinity);
            part[end..].Fill(float.NegativeInfinity);
        }
    }

    public static float Max(ReadOnlySpan<float> numbers, int rows, int r)
    {
        Vector512<float> most = Vector512.Create(float.NegativeInfinity);
        for (int i = r * Width; i < numbers.Length; i += rows * Width)
        {
            most = Vector512.Max(most, Vector512.Max(Vector512.Create(numbers[i..]), Vector512.Create(numbers[(i + Lanes)..])));
        }
        float max = float.NegativeInfinity;
        for (int i = 0; i < Lanes; i++)
        {
            max = MathF.Max(max, most[i]);
        }
        return max;
    }

    /// <summary>z becomes e^(z · scale − shift); returns the sum.</summary>
    public static float Exponentials(Span<float> numbers, int rows, int r, float scale, float shift)
    {
        Vector512<float> sums = default, factor = Vector512.Create(scale), offset = Vector512.Create(-shift);
        for (int i = r * Width; i < numbers.Length; i += rows * Width)
        {
            Vector512<float> a = Vector512.Exp(Vector512.FusedMultiplyAdd(Vector512.Create<float>(numbers[i..]), factor, offset));
            Vector512<float> b = Vector512.Exp(Vector512.FusedMultiplyAdd(Vector512.Create<float>(numbers[(i + Lanes)..]), factor, offset));
            a.CopyTo(numbers[i..]);
            b.CopyTo(numbers[(i + Lanes)..]);
            sums += a + b;
        }
        return Vector512.Sum(sums);
    }

    public static float Dot(ReadOnlySpan<float> x, ReadOnlySpan<float> y, int rows, int r)
    {
        Vector512<float> sums = default;
        for (int i = r * Width; i < x.Length; i += rows * Width)
        {
            sums = Vector512.FusedMultiplyAdd(Vector512.Create(x[i..]), Vector512.Create(y[i..]), sums);
            sums = Vector512.FusedMultiplyAdd(Vector512.Create(x[(i + Lanes)..]), Vector512.Create(y[(i + Lanes)..]), sums);
        }
        return Vector512.Sum(sums);
    }

    /// <summary>gradients become p (g − δ) · scale.</summary>
    public static void SoftmaxBackward(ReadOnlySpan<float> p, Span<float> gradients, int rows, int r, float delta, float scale)
    {
        Vector512<float> shift = Vector512.Create(delta), factor = Vector512.Create(scale);
        for (int i = r * Width; i < p.Length; i += rows * Width)
        {
            ((Vector512.Create<float>(gradients[i..]) - shift) * Vector512.Create(p[i..]) * factor).CopyTo(gradients[i..]);
            ((Vector512.Create<float>(gradients[(i + Lanes)..]) - shift) * Vector512.Create(p[(i + Lanes)..]) * factor).CopyTo(gradients[(i + Lanes)..]);
        }
    }
}
