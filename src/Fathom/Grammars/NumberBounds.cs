using System.Globalization;

namespace Fathom.Grammars;

/// <summary>
/// The numbers between two bounds, written without an exponent, as steps of a grammar. Digits are compared with those of the bounds from the
/// left: while they agree, the next digit is bounded too; behind the first that differs all are free.
/// </summary>
/// <remarks>Positions from which no number can be completed stay in; the network takes them out.</remarks>
internal sealed record NumberBounds
{
    /// <summary>Digits before the point at most.</summary>
    public const int WholeDigitsMax = 18;

    /// <summary>The largest number that can be written, and a bound at most.</summary>
    public const decimal Most = 999_999_999_999_999_999;

    /// <summary>No number is below it.</summary>
    public decimal Lower { get; init; } = -Most;

    /// <summary>Whether the lower bound is none of the numbers.</summary>
    public bool LowerIsOut { get; init; }

    /// <summary>No number is above it.</summary>
    public decimal Upper { get; init; } = Most;

    /// <summary>Whether the upper bound is none of the numbers.</summary>
    public bool UpperIsOut { get; init; }

    /// <summary>Digits behind the point at most; 0 for whole numbers.</summary>
    public int FractionDigits { get; init; }

    /// <summary>Of whole numbers: what they are multiples of.</summary>
    public int MultipleOf { get; init; } = 1;

    /// <summary>Adds the steps that take one of the numbers.</summary>
    public void Add(GrammarBuilder builder, int from, int to)
    {
        if (Upper >= 0)
        {
            bool isZero = Lower <= 0;
            new Digits(this, builder, isZero ? 0 : Lower, LowerIsOut && (!isZero || Lower == 0), Upper, UpperIsOut, to).AddFirst(from);
        }

        if (Lower < 0)
        {
            int minus = builder.AddBytes(from, "-"u8);
            bool isZero = Upper >= 0;                  // nobody writes −0
            new Digits(this, builder, isZero ? 0 : -Upper, isZero || UpperIsOut, -Lower, LowerIsOut, to).AddFirst(minus);
        }
    }

    /// <summary>The numbers from low to high, both not negative.</summary>
    private sealed class Digits
    {
        private readonly NumberBounds _bounds;
        private readonly GrammarBuilder _builder;
        private readonly string _low;
        private readonly string _lowFraction;
        private readonly string _high;
        private readonly string _highFraction;
        private readonly bool _lowIsOut;
        private readonly bool _highIsOut;
        private readonly int _to;
        private readonly Dictionary<(int Left, bool OnLow, bool OnHigh, int Remainder), int> _wholes = [];
        private readonly Dictionary<(int Digits, bool OnLow, bool OnHigh), int> _fractions = [];

        public Digits(NumberBounds bounds, GrammarBuilder builder, decimal low, bool lowIsOut, decimal high, bool highIsOut, int to)
        {
            (_bounds, _builder, _to, _lowIsOut, _highIsOut) = (bounds, builder, to, lowIsOut, highIsOut);
            (_low, _lowFraction) = Split(low);
            (_high, _highFraction) = Split(high);
        }

        public void AddFirst(int from)
        {
            for (int length = _low.Length; length <= _high.Length; length++)
                AddDigits(from, length, length == _low.Length, length == _high.Length, remainder: 0, least: length > 1 ? 1 : 0);
        }

        private int Whole(int left, bool onLow, bool onHigh, int remainder)
        {
            if (_wholes.TryGetValue((left, onLow, onHigh, remainder), out int position))
                return position;
            position = _builder.NewPosition();
            _wholes.Add((left, onLow, onHigh, remainder), position);
            if (left > 0)
            {
                AddDigits(position, left, onLow, onHigh, remainder, least: 0);
                return position;
            }

            if (remainder == 0 && MayEnd(0, onLow, onHigh))
                _builder.AddSkip(position, _to);
            if (_bounds.FractionDigits > 0)
                AddFractionDigits(_builder.AddBytes(position, "."u8), 0, onLow, onHigh);
            return position;
        }

        private void AddDigits(int from, int left, bool onLow, bool onHigh, int remainder, int least)
        {
            int low = onLow ? _low[^left] - '0' : 0, high = onHigh ? _high[^left] - '0' : 9;
            for (int digit = Math.Max(low, least); digit <= high; digit++)
            {
                int behind = Whole(left - 1, onLow && digit == low, onHigh && digit == high, (remainder * 10 + digit) % _bounds.MultipleOf);
                _builder.AddSymbols(from, '0' + digit, '0' + digit, behind);
            }
        }

        private int Fraction(int digits, bool onLow, bool onHigh)
        {
            if (_fractions.TryGetValue((digits, onLow, onHigh), out int position))
                return position;
            position = _builder.NewPosition();
            _fractions.Add((digits, onLow, onHigh), position);
            if (MayEnd(digits, onLow, onHigh))
                _builder.AddSkip(position, _to);
            if (digits < _bounds.FractionDigits)
                AddFractionDigits(position, digits, onLow, onHigh);
            return position;
        }

        private void AddFractionDigits(int from, int digits, bool onLow, bool onHigh)
        {
            int low = onLow ? DigitAt(_lowFraction, digits) : 0, high = onHigh ? DigitAt(_highFraction, digits) : 9;
            for (int digit = low; digit <= high; digit++)
                _builder.AddSymbols(from, '0' + digit, '0' + digit, Fraction(digits + 1, onLow && digit == low, onHigh && digit == high));
        }

        // Digits that are not written are zeros.
        private bool MayEnd(int digits, bool onLow, bool onHigh) =>
            (!onLow || digits >= _lowFraction.Length && !_lowIsOut) && (!onHigh || digits < _highFraction.Length || !_highIsOut);

        private static int DigitAt(string digits, int at) => at < digits.Length ? digits[at] - '0' : 0;

        private static (string Whole, string Fraction) Split(decimal value)
        {
            string[] parts = value.ToString(CultureInfo.InvariantCulture).Split('.');
            return (parts[0], parts.Length == 1 ? "" : parts[1].TrimEnd('0'));
        }
    }
}
