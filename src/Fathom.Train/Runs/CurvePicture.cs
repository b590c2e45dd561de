using System.Globalization;
using Fathom.Pictures;

namespace Fathom.Train.Runs;

/// <summary>Loss and held-out bits per byte over the steps, as SVG.</summary>
internal static class CurvePicture
{
    private const int Width = 900;
    private const int Height = 420;
    private const int Margin = 50;
    private const int GridLines = 5;
    private const int PointsMax = 800;
    private const string LossColour = "#4477aa";
    private const string HeldOutColour = "#cc3311";

    /// <summary>Draws the points so far.</summary>
    public static string Draw(IReadOnlyList<(long Step, double Loss, double? HeldOut)> points)
    {
        var svg = new SvgPicture(Width, Height);
        if (points.Count > 1)
        {
            double most = Math.Max(1e-6, points.Max(point => Math.Max(point.Loss, point.HeldOut ?? 0)));
            long last = points[^1].Step;
            Grid(svg, most, last);
            int every = Math.Max(1, points.Count / PointsMax);
            svg.Line(points.Where((_, i) => i % every == 0).Select(point => (X(point.Step, last), Y(point.Loss, most))), LossColour);
            svg.Line(points.Where(point => point.HeldOut is not null).Select(point => (X(point.Step, last), Y(point.HeldOut ?? 0, most))), HeldOutColour);
        }
        svg.Text(Margin, 20, "loss, nats per target", fill: LossColour);
        svg.Text(Margin + 180, 20, "held out, bits per byte", fill: HeldOutColour);
        return svg.ToString();
    }

    private static void Grid(SvgPicture svg, double most, long last)
    {
        for (int i = 0; i <= GridLines; i++)
        {
            double value = most * i / GridLines, y = Y(value, most);
            svg.Line([(Margin, y), (Width - Margin, y)], "#ddd");
            svg.Text(8, y, value.ToString("F2", CultureInfo.InvariantCulture));
            long step = last * i / GridLines;
            svg.Text(X(step, last), Height - 20, step.ToString(CultureInfo.InvariantCulture));
        }
    }

    private static double X(long step, long last) => Margin + ((Width - (2.0 * Margin)) * step / Math.Max(1, last));

    private static double Y(double value, double most) => Height - Margin - ((Height - (2.0 * Margin)) * value / most);
}
