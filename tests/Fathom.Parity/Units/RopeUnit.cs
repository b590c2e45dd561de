using Fathom.Parity.Goldens;
using Fathom.Tests.Reference;

namespace Fathom.Parity.Units;

/// <summary>unit/rope: frequencies, tables and rotated rows.</summary>
internal static class RopeUnit
{
    private static readonly GoldenFile s_file = UnitFiles.Open("rope");

    /// <param name="Frequencies">(r / 2)</param> <param name="Cos">(positions)(r / 2)</param> <param name="Sin">(positions)(r / 2)</param>
    /// <param name="Rotated">(positions · heads)(width)</param>
    internal sealed record Result(double[] Frequencies, double[][] Cos, double[][] Sin, double[][] Rotated);

    internal delegate Result Run(int[] positions, double[][] x, int headsPerPosition);

    public static int[] Positions(string name) => s_file.Ints($"{name}.positions");

    public static void Check(string name, Run run)
    {
        Result result = run(Positions(name), s_file.Rows($"{name}.x"), s_file.Shape($"{name}.x")[1]);
        ErrorLog log = new($"rope {name}");
        log.Compare("inv_freq", result.Frequencies, s_file.Doubles($"{name}.inv_freq"), Tolerances.RopeTable, double.Epsilon);
        log.CompareAbsolute("cos", result.Cos, s_file.Rows($"{name}.cos"), Tolerances.RopeTable);
        log.CompareAbsolute("sin", result.Sin, s_file.Rows($"{name}.sin"), Tolerances.RopeTable);
        log.CompareRelative("rotated", result.Rotated, s_file.Rows($"{name}.rotated"), Tolerances.Unit);
        log.Finish();
    }
}
