using System.Text.Json;
using Fathom.Engine;

namespace Fathom.Grammars;

/// <summary>Reads what a schema says of a number.</summary>
internal static class NumberReader
{
    private const int FractionDigitsMax = 9;
    private const int MultipleMax = 1000;

    private static readonly string[] s_bounds = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];

    /// <summary>Whether it says anything.</summary>
    public static bool HasBounds(JsonElement schema) => s_bounds.Any(bound => schema.TryGetProperty(bound, out _));

    /// <summary>The bounds of a number.</summary>
    /// <exception cref="RequestException">a bound is no number, too large or too fine</exception>
    public static NumberBounds Read(SchemaLeaf leaf)
    {
        var bounds = new NumberBounds { FractionDigits = leaf.Kind == SchemaKind.Integer ? 0 : FractionDigitsMax };
        if (Bound(leaf, "minimum") is { } minimum && minimum > bounds.Lower)
            bounds = bounds with { Lower = minimum };
        if (Bound(leaf, "exclusiveMinimum") is { } above && above >= bounds.Lower)
            bounds = bounds with { Lower = above, LowerIsOut = true };
        if (Bound(leaf, "maximum") is { } maximum && maximum < bounds.Upper)
            bounds = bounds with { Upper = maximum };
        if (Bound(leaf, "exclusiveMaximum") is { } below && below <= bounds.Upper)
            bounds = bounds with { Upper = below, UpperIsOut = true };
        if (Bound(leaf, "multipleOf") is { } multiple)
            bounds = WithMultiple(bounds, leaf, multiple);
        return bounds;
    }

    private static NumberBounds WithMultiple(NumberBounds bounds, SchemaLeaf leaf, decimal multiple)
    {
        if (decimal.IsInteger(multiple) && multiple is >= 1 and <= MultipleMax)
            return bounds with { FractionDigits = 0, MultipleOf = (int)multiple };
        decimal unit = 1;
        for (int digits = 1; digits <= FractionDigitsMax && leaf.Kind == SchemaKind.Number; digits++)
        {
            unit /= 10;
            if (multiple == unit)
                return bounds with { FractionDigits = digits };
        }

        throw new RequestException(
            $"{leaf.Path}/multipleOf: expected a whole number from 1 to {MultipleMax}{(leaf.Kind == SchemaKind.Number ? ", or 0.1, 0.01 and so on" : "")}, found {multiple.ToString(System.Globalization.CultureInfo.InvariantCulture)}.");
    }

    private static decimal? Bound(SchemaLeaf leaf, string keyword)
    {
        if (!leaf.Schema.TryGetProperty(keyword, out JsonElement value))
            return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out decimal number) && Math.Abs(number) <= NumberBounds.Most)
            return number;
        throw new RequestException(
            $"{leaf.Path}/{keyword}: expected a number of up to {NumberBounds.WholeDigitsMax} digits before the point, found {SchemaKeywords.Start(value)}.");
    }
}
