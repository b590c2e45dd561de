using System.Globalization;
using System.Text.Json;
using Fathom.Verification;

namespace Fathom.Cli;

/// <summary>The outcome of a comparison, for people or for programs.</summary>
internal sealed class VerifyReport(IReadOnlyList<Check> checks, IReadOnlyList<string> notes)
{
    public bool Pass => checks.All(check => check.Pass);

    public void WriteText(TextWriter output)
    {
        int width = Math.Max(16, checks.Max(check => check.Name.Length) + 2);
        output.WriteLine($"{"check".PadRight(width)}{"error",10}{"allowed",10}{"layer",7}{"position",10}");
        foreach (Check check in checks)
        {
            output.WriteLine($"{check.Name.PadRight(width)}{Number(check.MaxError),10}{Number(check.Tolerance),10}{Place(check.Layer),7}{Place(check.Position),10}  {(check.Pass ? "ok" : "FAILED")}");
        }

        output.WriteLine();
        output.WriteLine(Check.FirstFailure(checks) is Check first
            ? $"{checks.Count(check => !check.Pass)} of {checks.Count} checks failed. The first difference in the order of computation is {Sentence(first)}."
            : $"All {checks.Count} checks passed.");
    }

    /// <summary>A JSON number can be neither infinite nor NaN: the largest double stands for both.</summary>
    public void WriteJson(Stream output)
    {
        JsonOutput.Write(output, json =>
        {
            json.WriteBoolean("pass", Pass);
            if (Check.FirstFailure(checks) is Check first)
            {
                json.WriteStartObject("firstFailure");
                WriteCheck(json, first);
            }
            else
            {
                json.WriteNull("firstFailure");
            }

            json.WriteStartArray("checks");
            foreach (Check check in checks)
            {
                json.WriteStartObject();
                WriteCheck(json, check);
            }

            json.WriteEndArray();
            json.WriteStartArray("notes");
            foreach (string note in notes)
                json.WriteStringValue(note);
            json.WriteEndArray();
        });
    }

    private static void WriteCheck(Utf8JsonWriter json, Check check)
    {
        json.WriteString("name", check.Name);
        json.WriteNumber("maxError", double.IsFinite(check.MaxError) ? check.MaxError : double.MaxValue);
        json.WriteNumber("tolerance", check.Tolerance);
        json.WriteBoolean("pass", check.Pass);
        json.WriteNumber("position", check.Position);
        json.WriteNumber("layer", check.Layer);
        json.WriteEndObject();
    }

    private static string Sentence(Check check)
    {
        string layer = check.Layer >= 0 ? $" of layer {check.Layer}" : "";
        string position = check.Position >= 0 ? $" at position {check.Position}" : "";
        return $"in {check.Name}{layer}{position}: its largest error is {Number(check.MaxError)}, allowed is {Number(check.Tolerance)}";
    }

    private static string Number(double value) => double.IsNaN(value) ? "NaN"
        : double.IsInfinity(value) ? "missing"
        : value >= 1 || value == 0 ? value.ToString("0.###", CultureInfo.InvariantCulture)
        : value.ToString("0.0E+0", CultureInfo.InvariantCulture);

    private static string Place(int number) => number < 0 ? "–" : number.ToString(CultureInfo.InvariantCulture);
}
