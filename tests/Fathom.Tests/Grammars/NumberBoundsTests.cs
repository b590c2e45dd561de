using System.Globalization;
using CsCheck;
using Fathom.Grammars;
using Xunit;

namespace Fathom.Tests.Grammars;

public class NumberBoundsTests
{
    private static readonly Gen<decimal> s_bound = Gen.OneOf(Gen.Int[-30, 30].Select(n => (decimal)n), Gen.Int[-2500, 2500].Select(n => n / 100m), Gen.Int[-99999, 99999].Select(n => n / 10m));

    [Fact]
    public void Takes_the_numbers_between_the_bounds_and_no_others() =>
        Gen.Select(s_bound, Gen.Bool, s_bound, Gen.Bool, Gen.Int[0, 3], Gen.Int[1, 4]).Where(made => made.Item1 + 2 < made.Item3).Sample((low, lowOut, high, highOut, digits, multiple) =>
        {
            int multipleOf = digits == 0 ? multiple : 1;
            var bounds = new NumberBounds { Lower = low, LowerIsOut = lowOut, Upper = high, UpperIsOut = highOut, FractionDigits = digits, MultipleOf = multipleOf };
            Grammar? grammar = Made(bounds, out bool isEmpty);
            if (isEmpty)
                return;
            decimal unit = digits switch { 0 => 1, 1 => 0.1m, 2 => 0.01m, _ => 0.001m };
            foreach (decimal number in new[] { low, high, low + unit, low - unit, high + unit, high - unit, 0, 1, -1, 0.5m, (low + high) / 2, low + 1, high - 1, 10, 100, -10, 99 })
            {
                decimal rounded = Math.Round(number / unit) * unit;
                string text = rounded.ToString("0.###", CultureInfo.InvariantCulture);
                bool expected = (lowOut ? rounded > low : rounded >= low) && (highOut ? rounded < high : rounded <= high) && (digits > 0 || rounded % multipleOf == 0);
                Assert.True(expected == GrammarTexts.Accepts(grammar!, text), $"{text} in {bounds}: expected {expected}");
            }
        }, iter: 1000);

    [Theory]
    [InlineData("1.50", true)]
    [InlineData("-0.5", true)]
    [InlineData("-0", false)]
    [InlineData("-0.0", false)]
    [InlineData("0.0", true)]
    [InlineData("01", false)]
    [InlineData("1.", false)]
    [InlineData("2.00", true)]
    [InlineData("2.01", false)]
    [InlineData("1.123", false)]
    public void Writes_numbers_as_json_does(string text, bool fits) =>
        Assert.Equal(fits, GrammarTexts.Accepts(Made(new NumberBounds { Lower = -1, Upper = 2, FractionDigits = 2 }, out _)!, text));

    private static Grammar? Made(NumberBounds bounds, out bool isEmpty)
    {
        var builder = new GrammarBuilder();
        int rule = builder.NewRule("number");
        bounds.Add(builder, builder.Start(rule), builder.End(rule));
        try
        {
            isEmpty = false;
            return builder.Build(rule);
        }
        catch (Fathom.Engine.RequestException)
        {
            isEmpty = true;
            return null;
        }
    }
}
