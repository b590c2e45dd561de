using System.Globalization;
using System.Text;

namespace Fathom.Benchmarking;

/// <summary>One measured or derived number, with the limit that it stands beside.</summary>
/// <param name="Section">what it belongs to: machine, product, prefill, decode, layer, operation, full model</param>
/// <param name="Name">which figure of the section</param>
/// <param name="At">tokens of the prompt or of the context, or rows; 0 where there are none</param>
/// <param name="Value">the figure, a median where it was measured several times</param>
/// <param name="Unit">of the value and of the limit</param>
/// <param name="Limit">what the machine could do at most, or null where nothing bounds it</param>
/// <param name="Repetitions">measurements behind the median; 0 for a derived figure</param>
public sealed record BenchFigure(string Section, string Name, int At, double Value, string Unit, double? Limit = null, int Repetitions = 0)
{
    /// <summary>The first line of a file of figures.</summary>
    public const string CsvHeader = "section,name,at,value,unit,limit,share,repetitions";

    /// <summary>Times count up to their limit from above, rates from below: 1 is at the limit.</summary>
    public double? Share => Limit is not { } limit || limit == 0 || Value == 0 ? null : Unit is "ms" or "s" ? limit / Value : Value / limit;

    /// <summary>All figures as a file of comma-separated values.</summary>
    public static string Csv(IEnumerable<BenchFigure> figures)
    {
        ArgumentNullException.ThrowIfNull(figures);
        var text = new StringBuilder(CsvHeader).Append('\n');
        foreach (BenchFigure f in figures)
        {
            text.Append(CultureInfo.InvariantCulture, $"{f.Section},{f.Name},{f.At},{f.Value:G6},{f.Unit},{f.Limit:G6},{f.Share:F4},{f.Repetitions}\n");
        }
        return text.ToString();
    }
}
