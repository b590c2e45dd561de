using System.Globalization;
using Fathom.Pictures;
using static System.FormattableString;

namespace Fathom.Benchmarking;

/// <summary>Figures as SVG: how much of the machine's limits is reached, and what a layer of each kind takes as the context grows.</summary>
public static class BenchPicture
{
    private const int Width = 960;
    private const int Left = 250;
    private const int BarsWidth = 420;
    private const int RowHeight = 20;
    private const int Top = 60;
    private const int CurvesHeight = 300;
    private const int GridLines = 4;
    private const string Grey = "#555";
    private const string LightGrey = "#ddd";

    private static readonly Dictionary<string, string> s_colours = new()
    {
        ["product"] = "#4477aa",
        ["prefill"] = "#228833",
        ["decode"] = "#cc3311",
        ["layer"] = "#aa3377",
        ["window"] = "#4477aa",
        ["CSA"] = "#cc3311",
        ["HCA"] = "#228833",
    };

    /// <summary>Draws the figures that have a limit, and the layers' times.</summary>
    /// <param name="figures">of one run</param> <param name="title">a line above; plain text</param>
    public static string Draw(IReadOnlyList<BenchFigure> figures, string title)
    {
        ArgumentNullException.ThrowIfNull(figures);
        BenchFigure[] bars = [.. figures.Where(figure => IsBar(figure) && figure.Share is not null)];
        BenchFigure[] layers = [.. figures.Where(figure => figure.Section == "layer" && figure.Name != "rest")];
        int curvesTop = Top + (bars.Length * RowHeight) + 80;
        bool hasCurves = layers.Select(figure => figure.At).Distinct().Count() > 1;
        var svg = new SvgPicture(Width, hasCurves ? curvesTop + CurvesHeight + 60 : curvesTop - 30);
        svg.Text(12, 22, title, size: 14);
        svg.Text(Left, 44, "share of the machine's limit", fill: Grey);
        Bars(svg, bars);
        if (hasCurves)
            Curves(svg, layers, curvesTop);
        return svg.ToString();
    }

    private static bool IsBar(BenchFigure figure) => figure.Section is "product" or "layer"
        || (figure.Section is "prefill" or "decode" && figure.Name is "speed" or "reading");

    private static void Bars(SvgPicture svg, BenchFigure[] bars)
    {
        int bottom = Top + (bars.Length * RowHeight);
        for (int i = 0; i <= GridLines; i++)
        {
            double x = Left + (BarsWidth * (double)i / GridLines);
            svg.Line([(x, Top - 6), (x, bottom)], LightGrey);
            svg.Text(x, bottom + 16, ((double)i / GridLines).ToString("P0", CultureInfo.InvariantCulture), TextAnchor.Middle, Grey);
        }

        for (int i = 0; i < bars.Length; i++)
        {
            BenchFigure figure = bars[i];
            double y = Top + (i * RowHeight), share = Math.Min(1.1, figure.Share ?? 0);
            string at = figure.Section == "product" ? (figure.At == 1 ? "1 row" : $"{figure.At} rows") : Invariant($"at {figure.At:N0}");
            svg.Text(Left - 8, y + 12, $"{figure.Section} {figure.Name}, {at}", TextAnchor.End);
            svg.Rectangle(Left, y + 1, BarsWidth * share, RowHeight - 5, s_colours[figure.Section]);
            svg.Text(Left + (BarsWidth * share) + 6, y + 12, Invariant($"{figure.Share:P0}: {Number(figure.Value)} {figure.Unit}, limit {Number(figure.Limit ?? 0)}"));
        }
    }

    // Time against context, both by powers of two; the limit of each kind is dashed.
    private static void Curves(SvgPicture svg, BenchFigure[] layers, int top)
    {
        double least = Math.Log2(layers.Min(figure => Math.Min(figure.Value, figure.Limit ?? figure.Value))), most = Math.Log2(layers.Max(figure => figure.Value));
        double first = Math.Log2(layers.Min(figure => figure.At)), last = Math.Log2(layers.Max(figure => figure.At));
        double X(double at) => Left + ((Width - Left - 120) * (Math.Log2(at) - first) / (last - first));
        double Y(double ms) => top + CurvesHeight - (CurvesHeight * (Math.Log2(ms) - Math.Floor(least)) / (Math.Ceiling(most) - Math.Floor(least) + 1e-9));
        svg.Text(Left, top - 16, "ms of a layer for one token, by context; its limit dashed", fill: Grey);
        for (double power = Math.Floor(least); power <= Math.Ceiling(most); power++)
        {
            svg.Line([(Left, Y(Math.Pow(2, power))), (Width - 120, Y(Math.Pow(2, power)))], LightGrey);
            svg.Text(Left - 8, Y(Math.Pow(2, power)) + 4, Invariant($"{Math.Pow(2, power):G3} ms"), TextAnchor.End, Grey);
        }

        foreach (int at in layers.Select(figure => figure.At).Distinct())
            svg.Text(X(at), top + CurvesHeight + 18, Invariant($"{at:N0}"), TextAnchor.Middle, Grey);
        foreach (IGrouping<string, BenchFigure> kind in layers.GroupBy(figure => figure.Name))
        {
            string colour = s_colours[kind.Key];
            svg.Line(kind.Select(figure => (X(figure.At), Y(figure.Value))), colour);
            svg.Line(kind.Select(figure => (X(figure.At), Y(figure.Limit ?? figure.Value))), colour, isDashed: true);
            svg.Text(Width - 112, Y(kind.Last().Value) + 4, kind.Key, fill: colour);
        }
    }

    private static string Number(double value) => value.ToString(value >= 100 ? "N0" : "G3", CultureInfo.InvariantCulture);
}
