namespace Fathom.Verification;

/// <summary>One quantity compared with the reference.</summary>
/// <param name="Name">the golden tensor's name</param>
/// <param name="MaxError">largest error, in the unit of the tolerance; for sets the number that differ</param>
/// <param name="Tolerance">what is allowed</param>
/// <param name="Position">position of the largest error, or −1</param>
/// <param name="Layer">layer of the largest error, or −1</param>
public sealed record Check(string Name, double MaxError, double Tolerance, int Position, int Layer)
{
    /// <summary>Whether the error is within the tolerance; a NaN never is.</summary>
    public bool Pass => MaxError <= Tolerance;
}

/// <summary>Collects the worst error of a quantity.</summary>
/// <param name="name">the quantity</param>
/// <param name="tolerance">what is allowed</param>
internal sealed class Comparison(string name, double tolerance)
{
    private double _worst;
    private double _sum;
    private long _count;
    private int _position = -1;
    private int _layer = -1;

    /// <summary>|x − y| / max(1, |y|) for relative quantities, |x − y| else.</summary>
    public void Add(ReadOnlySpan<float> found, ReadOnlySpan<float> expected, int position, int layer, bool relative)
    {
        if (found.Length != expected.Length)
        {
            Note(double.PositiveInfinity, position, layer);
            return;
        }
        for (int i = 0; i < found.Length; i++)
        {
            double error = Math.Abs((double)found[i] - expected[i]) / (relative ? Math.Max(1, Math.Abs((double)expected[i])) : 1);
            Note(error, position, layer);
        }
    }

    /// <summary>Counts a position whose set differs.</summary>
    public void AddSet(IEnumerable<float> found, IEnumerable<float> expected, int position, int layer)
    {
        if (!found.Where(id => id >= 0).ToHashSet().SetEquals(expected.Where(id => id >= 0)))
        {
            Note(_worst + 1, position, layer);
        }
    }

    /// <summary>The worst so far.</summary>
    public Check Worst => new(name, _worst, tolerance, _position, _layer);

    /// <summary>The mean so far, against its own tolerance.</summary>
    public Check Mean(string meanName, double meanTolerance) => new(meanName, _count == 0 ? 0 : _sum / _count, meanTolerance, -1, -1);

    // The first of equal errors is kept, and a NaN, once met.
    private void Note(double error, int position, int layer)
    {
        _sum += error;
        _count++;
        if (error > _worst || (double.IsNaN(error) && !double.IsNaN(_worst)))
        {
            _worst = error;
            _position = position;
            _layer = layer;
        }
    }
}
