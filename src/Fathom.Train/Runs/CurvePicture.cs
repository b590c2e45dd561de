using System.Globalization;
using System.Text;

namespace Fathom.Train.Runs;

/// <summary>Loss and held-out bits per byte over the steps, as SVG.</summary>
internal static class CurvePicture
{
    private const int Width = 900;
    private const int Height = 420;
    private const int Margin = 50;
    private const int GridLines = 5;
    private const int PointsMax = 800;

    /// <summary>Draws the points so far.</summary>
    public static string Draw(IReadOnlyList<(long Step, double Loss, double? HeldOut)> points)
    {
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{Width}\" height=\"{Height}\" font-family=\"sans-serif\" font-size=\"12\">\n");
        svg.Append("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
        if (points.Count > 1)
        {
            double most = Math.Max(1e-6, points.Max(point => Math.Max(point.Loss, point.HeldOut ?? 0)));
            long last = points[^1].Step;
            Grid(svg, most, last);
            int every = Math.Max(1, points.Count / PointsMax);
            Line(svg, "#4477aa", [.. points.Where((_, i) => i % every == 0).Select(point => (point.Step, point.Loss))], most, last);
            Line(svg, "#cc3311", [.. points.Where(point => point.HeldOut is not null).Select(point => (point.Step, point.HeldOut ?? 0))], most, last);
        }
        svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{Margin}\" y=\"20\" fill=\"#4477aa\">loss, nats per target</text>\n");
        svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{Margin + 180}\" y=\"20\" fill=\"#cc3311\">held out, bits per byte</text>\n</svg>\n");
        return svg.ToString();
    }

    private static void Grid(StringBuilder svg, double most, long last)
    {
        for (int i = 0; i <= GridLines; i++)
        {
            double value = most * i / GridLines;
            string y = Text(Y(value, most));
            svg.Append(CultureInfo.InvariantCulture, $"<path d=\"M{Margin} {y}H{Width - Margin}\" stroke=\"#ddd\"/><text x=\"8\" y=\"{y}\">{value:F2}</text>\n");
            long step = last * i / GridLines;
            svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{Text(X(step, last))}\" y=\"{Height - 20}\">{step}</text>\n");
        }
    }

    private static void Line(StringBuilder svg, string colour, IReadOnlyList<(long Step, double Value)> points, double most, long last)
    {
        string path = string.Join(' ', points.Select(point => $"{Text(X(point.Step, last))},{Text(Y(point.Value, most))}"));
        svg.Append(CultureInfo.InvariantCulture, $"<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\"/>\n");
    }

    private static double X(long step, long last) => Margin + ((Width - (2.0 * Margin)) * step / Math.Max(1, last));

    private static double Y(double value, double most) => Height - Margin - ((Height - (2.0 * Margin)) * value / most);

    private static string Text(double value) => value.ToString("F1", CultureInfo.InvariantCulture);
}
