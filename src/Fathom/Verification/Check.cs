namespace Fathom.Verification;

/// <summary>One quantity compared with the reference.</summary>
/// <param name="Name">the golden tensor's name, or what is compared and the name of the golden text</param>
/// <param name="MaxError">
/// largest error, in the unit of the tolerance; for sets and texts the number that differ. NaN where a value is no number, infinite where values
/// are missing
/// </param>
/// <param name="Tolerance">what is allowed</param>
/// <param name="Position">token where the check first fails or, if it passes, where its error is largest; −1 for none</param>
/// <param name="Layer">layer of that token's value; −1 for the embedding and for what belongs to no layer</param>
public sealed record Check(string Name, double MaxError, double Tolerance, int Position, int Layer)
{
    // What a layer computes, in its order.
    private static readonly string[] s_stages =
    [
        "attn_in", "attn_in_all", "window_kv", "compressed_kv", "index_k", "index_q", "indexer_topk", "attn_out", "attn_out_all",
        "ffn_in", "router_idx", "router_w", "ffn_out", "hidden_streams",
    ];

    /// <summary>Whether the error is within the tolerance; a NaN never is.</summary>
    public bool Pass => MaxError <= Tolerance;

    /// <summary>
    /// Of the checks that fail, the one whose failure comes first when a model computes: layer by layer, within a layer from its input to its
    /// output, logits and texts last in the order given. Null if all pass.
    /// </summary>
    public static Check? FirstFailure(IReadOnlyList<Check> checks) =>
        checks.Where(check => !check.Pass).OrderBy(check => check.Stage < 0 ? int.MaxValue : check.Layer).ThenBy(check => check.Stage).FirstOrDefault();

    private int Stage => Array.IndexOf(s_stages, Name.Split('.')[0]);
}

/// <summary>Collects the errors of a quantity; add them in the order of layers and positions.</summary>
/// <param name="name">the quantity</param>
/// <param name="tolerance">what is allowed</param>
internal sealed class Comparison(string name, double tolerance)
{
    private double _worst;
    private double _sum;
    private long _count;
    private (int Position, int Layer) _at = (-1, -1);
    private bool _failed;

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
    public Check Worst => new(name, _worst, tolerance, _at.Position, _at.Layer);

    /// <summary>The mean so far.</summary>
    public Check Mean => new(name, _count == 0 ? 0 : _sum / _count, tolerance, -1, -1);

    // The place is that of the first failure, else of the first of the largest errors. A NaN, once met, is kept as the worst.
    private void Note(double error, int position, int layer)
    {
        _sum += error;
        _count++;
        bool fails = !(error <= tolerance);
        bool worse = error > _worst || (double.IsNaN(error) && !double.IsNaN(_worst));
        if (fails ? !_failed : worse && !_failed)
        {
            _at = (position, layer);
        }
        _failed |= fails;
        if (worse)
        {
            _worst = error;
        }
    }
}
