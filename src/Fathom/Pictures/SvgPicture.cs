using System.Globalization;
using System.Security;
using System.Text;

namespace Fathom.Pictures;

/// <summary>Where a text lies relative to its place.</summary>
public enum TextAnchor
{
    /// <summary>To the right of it.</summary>
    Start,

    /// <summary>Around it.</summary>
    Middle,

    /// <summary>To the left of it.</summary>
    End,
}

/// <summary>
/// A drawing as SVG on white ground, element by element; places in pixels from the upper left corner. Numbers are written the same in every
/// culture, and texts are escaped.
/// </summary>
public sealed class SvgPicture
{
    private readonly StringBuilder _svg = new();

    /// <summary>An empty picture.</summary>
    public SvgPicture(int width, int height)
    {
        Append($"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">");
        Rectangle(0, 0, width, height, "white");
    }

    /// <summary>A filled rectangle.</summary>
    public void Rectangle(double x, double y, double width, double height, string fill) =>
        Append($"<rect x=\"{Number(x)}\" y=\"{Number(y)}\" width=\"{Number(width)}\" height=\"{Number(height)}\" fill=\"{fill}\"/>");

    /// <summary>A line of text; <paramref name="y"/> is its base.</summary>
    public void Text(double x, double y, string text, TextAnchor anchor = TextAnchor.Start, string fill = "black", int size = 12)
    {
        string place = anchor switch { TextAnchor.Middle => " text-anchor=\"middle\"", TextAnchor.End => " text-anchor=\"end\"", _ => "" };
        string font = size == 12 ? "" : string.Create(CultureInfo.InvariantCulture, $" font-size=\"{size}\"");
        Append($"<text x=\"{Number(x)}\" y=\"{Number(y)}\"{place}{font} fill=\"{fill}\">{SecurityElement.Escape(text)}</text>");
    }

    /// <summary>A line through points.</summary>
    public void Line(IEnumerable<(double X, double Y)> points, string stroke, bool isDashed = false)
    {
        string path = string.Join(' ', points.Select(point => $"{Number(point.X)},{Number(point.Y)}"));
        Append($"<polyline points=\"{path}\" fill=\"none\" stroke=\"{stroke}\"{(isDashed ? " stroke-dasharray=\"5 4\"" : "")}/>");
    }

    /// <summary>The finished file.</summary>
    public override string ToString() => _svg + "</svg>\n";

    private static string Number(double value) => value.ToString("0.#", CultureInfo.InvariantCulture);

    private void Append(FormattableString line) => _svg.Append(FormattableString.Invariant(line)).Append('\n');
}
