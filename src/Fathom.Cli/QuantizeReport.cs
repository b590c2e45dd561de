using System.Globalization;
using Fathom.Model;
using Fathom.Quantization;

namespace Fathom.Cli;

/// <summary>What a conversion did, for people or for programs.</summary>
internal static class QuantizeReport
{
    public static void WriteText(ConversionReport report, string output, TextWriter text)
    {
        Line(text, $"{output}: {report.BytesBefore:N0} B of weights before, {report.BytesAfter:N0} B after ({100.0 * report.BytesAfter / report.BytesBefore:F1} %)");
        text.WriteLine();
        foreach (FormatBytes format in report.Formats)
            Line(text, $"{format.Format,-18}{format.Bytes,18:N0} B");
        text.WriteLine();
        ConvertedPart[] rounded = [.. report.Parts.Where(part => part.WorstError > 0)];
        if (rounded.Length == 0)
            Line(text, $"No value changed.");
        else
            Line(text, $"{"error",-38}{"format",-9}{"weights",8}{"RMS",10}{"worst",10}   of");
        foreach (ConvertedPart part in rounded)
            Line(text, $"{WeightNames.InLayer(part.Part),-38}{part.Format,-9}{part.Weights,8:N0}{100 * part.RmsError,8:F3} %{100 * part.WorstError,8:F3} %   {part.WorstWeight}");
        if (rounded.Length > 0)
            Line(text, $"RMS: root of the squared error's share of the squared values. Worst: the largest error's share of its tensor's largest value.");
        if (report.LeftOut.Count > 0)
            Line(text, $"Left out, since they belong to no weight of this architecture: {string.Join(", ", report.LeftOut)}");
    }

    public static void WriteJson(ConversionReport report, string output) => JsonOutput.Write(json =>
    {
        json.WriteString("model", output);
        json.WriteNumber("bytesBefore", report.BytesBefore);
        json.WriteNumber("bytesAfter", report.BytesAfter);
        json.WriteStartObject("bytesByFormat");
        foreach (FormatBytes format in report.Formats)
            json.WriteNumber(format.Format, format.Bytes);
        json.WriteEndObject();
        json.WriteStartArray("parts");
        foreach (ConvertedPart part in report.Parts)
        {
            json.WriteStartObject();
            json.WriteString("part", WeightNames.InLayer(part.Part));
            json.WriteString("format", part.Format);
            json.WriteNumber("weights", part.Weights);
            json.WriteNumber("rmsError", part.RmsError);
            json.WriteNumber("worstError", part.WorstError);
            json.WriteString("worstWeight", part.WorstWeight);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("leftOut");
        foreach (string name in report.LeftOut)
            json.WriteStringValue(name);
        json.WriteEndArray();
    });

    private static void Line(TextWriter text, FormattableString line) => text.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
