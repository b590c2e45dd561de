using System.Globalization;
using System.Text;

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

    /// <summary>Draws a column for each context length and a row for each tenth of the depth; a cell says its accuracy and its questions.</summary>
    /// <param name="results">in the order of the columns</param> <param name="title">a line above; plain text</param>
    public static string Draw(IReadOnlyList<NeedleResult> results, string title)
    {
        ArgumentNullException.ThrowIfNull(results);
        int width = Math.Max(Left + (results.Count * CellWidth) + Right, 480), gridBottom = Top + (NeedleTable.Depths * CellHeight);
        var svg = new StringBuilder();
        Append(svg, $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{gridBottom + Bottom}\" font-family=\"sans-serif\" font-size=\"12\">");
        Append(svg, $"<rect width=\"{width}\" height=\"{gridBottom + Bottom}\" fill=\"white\"/>");
        Append(svg, $"<text x=\"{Left}\" y=\"22\" font-size=\"14\">{System.Security.SecurityElement.Escape(title)}</text>");
        Append(svg, $"<text x=\"{Left}\" y=\"40\" fill=\"#555\">context in tokens, accuracy over all depths</text>");
        Append(svg, $"<text x=\"12\" y=\"{Top - 8}\" fill=\"#555\">depth</text>");
        for (int depth = 0; depth < NeedleTable.Depths; depth++)
            Append(svg, $"<text x=\"{Left - 8}\" y=\"{Top + (depth * CellHeight) + 21}\" text-anchor=\"end\">{depth * 10} – {(depth + 1) * 10} %</text>");
        for (int i = 0; i < results.Count; i++)
            Column(svg, results[i], Left + (i * CellWidth));
        Legend(svg, gridBottom + 30);
        svg.Append("</svg>\n");
        return svg.ToString();
    }

    private static void Column(StringBuilder svg, NeedleResult result, int x)
    {
        int middle = x + (CellWidth / 2);
        Append(svg, $"<text x=\"{middle}\" y=\"{Top - 8}\" text-anchor=\"middle\">{result.Context:N0}: {NeedleTable.Accuracy(result.Answers).Share:P0}</text>");
        IReadOnlyList<NeedleBucket> rows = NeedleTable.ByDepth(result.Answers);
        for (int row = 0; row < rows.Count; row++)
        {
            (int y, Proportion correct) = (Top + (row * CellHeight), rows[row].Correct);
            string fill = correct.Count == 0 ? "#eeeeee" : Colour(correct.Share), ink = correct.Count > 0 && correct.Share is < 0.35 ? "white" : "black";
            Append(svg, $"<rect x=\"{x}\" y=\"{y}\" width=\"{CellWidth - 2}\" height=\"{CellHeight - 2}\" fill=\"{fill}\"/>");
            string text = correct.Count == 0 ? "none asked" : string.Create(CultureInfo.InvariantCulture, $"{correct.Successes} of {correct.Count}");
            Append(svg, $"<text x=\"{middle}\" y=\"{y + 21}\" text-anchor=\"middle\" fill=\"{ink}\">{text}</text>");
        }
    }

    private static void Legend(StringBuilder svg, int y)
    {
        const int Steps = 20;
        for (int i = 0; i < Steps; i++)
            Append(svg, $"<rect x=\"{Left + (i * LegendWidth / Steps)}\" y=\"{y}\" width=\"{LegendWidth / Steps}\" height=\"14\" fill=\"{Colour(i / (Steps - 1.0))}\"/>");
        Append(svg, $"<text x=\"{Left}\" y=\"{y + 30}\">0 % correct</text>");
        Append(svg, $"<text x=\"{Left + LegendWidth}\" y=\"{y + 30}\" text-anchor=\"end\">100 %</text>");
        Append(svg, $"<rect x=\"{Left + LegendWidth + 24}\" y=\"{y}\" width=\"14\" height=\"14\" fill=\"#eeeeee\"/>");
        Append(svg, $"<text x=\"{Left + LegendWidth + 44}\" y=\"{y + 12}\">none asked</text>");
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

    private static void Append(StringBuilder svg, FormattableString line) => svg.Append(FormattableString.Invariant(line)).Append('\n');
}
