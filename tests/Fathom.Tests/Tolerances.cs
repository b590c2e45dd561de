namespace Fathom.Tests;

/// <summary>How far single precision may be from the exact result of the same inputs.</summary>
internal static class Tolerances
{
    /// <summary>Half a unit in the last place of a number near 1: one rounding.</summary>
    public const double Rounding = 1.0 / (1 << 24);

    /// <summary>Functions that end in exponentials and quotients: sixteen roundings, those of e^x included, of values of order 1.</summary>
    public const double Function = 16 * Rounding;

    /// <summary>A sum of products in any order, relative to the sum of the products' magnitudes; two more for storing factors and result.</summary>
    public static double Sum(int terms) => (terms + 2) * Rounding;
}
