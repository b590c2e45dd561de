using System.Globalization;
using Fathom.Pictures;
using static System.FormattableString;

namespace Fathom.Train.Evaluation;

/// <summary>Accuracy over context length and depth as a heat map, SVG.</summary>
public static class NeedlePicture
{
    private const int CellWidth = 96;
    private const int CellHeight = 34;
    private const int Left = 96;
    private const int Top = 64;
    private const int Bottom = 76;
    private const int Right = 24;
    private const int LegendWidth = 200;
    private const string Grey = "#555";
    private const string NoneColour = "#eeeeee";

    /// <summary>Draws a column for each context length and a row for each tenth of the depth; a cell says its accuracy and its questions.</summary>
    /// <param name="results">in the order of the columns</param> <param name="title">a line above; plain text</param>
    public static string Draw(IReadOnlyList<NeedleResult> results, string title)
    {
        ArgumentNullException.ThrowIfNull(results);
        int width = Math.Max(Left + (results.Count * CellWidth) + Right, 480), gridBottom = Top + (NeedleTable.Depths * CellHeight);
        var svg = new SvgPicture(width, gridBottom + Bottom);
        svg.Text(Left, 22, title, size: 14);
        svg.Text(Left, 40, "context in tokens, accuracy over all depths", fill: Grey);
        svg.Text(12, Top - 8, "depth", fill: Grey);
        for (int depth = 0; depth < NeedleTable.Depths; depth++)
            svg.Text(Left - 8, Top + (depth * CellHeight) + 21, Invariant($"{depth * 10} – {(depth + 1) * 10} %"), TextAnchor.End);
        for (int i = 0; i < results.Count; i++)
            Column(svg, results[i], Left + (i * CellWidth));
        Legend(svg, gridBottom + 30);
        return svg.ToString();
    }

    private static void Column(SvgPicture svg, NeedleResult result, int x)
    {
        int middle = x + (CellWidth / 2);
        svg.Text(middle, Top - 8, Invariant($"{result.Context:N0}: {NeedleTable.Accuracy(result.Answers).Share:P0}"), TextAnchor.Middle);
        IReadOnlyList<NeedleBucket> rows = NeedleTable.ByDepth(result.Answers);
        for (int row = 0; row < rows.Count; row++)
        {
            (int y, Proportion correct) = (Top + (row * CellHeight), rows[row].Correct);
            string fill = correct.Count == 0 ? NoneColour : Colour(correct.Share), ink = correct.Count > 0 && correct.Share is < 0.35 ? "white" : "black";
            svg.Rectangle(x, y, CellWidth - 2, CellHeight - 2, fill);
            svg.Text(middle, y + 21, correct.Count == 0 ? "none asked" : Invariant($"{correct.Successes} of {correct.Count}"), TextAnchor.Middle, ink);
        }
    }

    private static void Legend(SvgPicture svg, int y)
    {
        const int Steps = 20;
        for (int i = 0; i < Steps; i++)
            svg.Rectangle(Left + (i * LegendWidth / Steps), y, LegendWidth / Steps, 14, Colour(i / (Steps - 1.0)));
        svg.Text(Left, y + 30, "0 % correct");
        svg.Text(Left + LegendWidth, y + 30, "100 %", TextAnchor.End);
        svg.Rectangle(Left + LegendWidth + 24, y, 14, 14, NoneColour);
        svg.Text(Left + LegendWidth + 44, y + 12, "none asked");
    }

    // Dark blue over teal to light yellow: brightness rises all the way, so it reads without colours too.
    private static string Colour(double share)
    {
        ReadOnlySpan<(double R, double G, double B)> stops = [(46, 20, 84), (52, 78, 136), (36, 142, 140), (110, 202, 100), (250, 231, 60)];
        double at = share * (stops.Length - 1);
        int below = Math.Min((int)at, stops.Length - 2);
        double part = at - below;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"#{Mix(stops[below].R, stops[below + 1].R, part):x2}{Mix(stops[below].G, stops[below + 1].G, part):x2}{Mix(stops[below].B, stops[below + 1].B, part):x2}");
    }

    private static int Mix(double from, double to, double part) => (int)Math.Round(from + ((to - from) * part));
}
