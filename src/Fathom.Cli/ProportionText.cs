using System.Globalization;
using System.Text.Json;
using Fathom.Train.Evaluation;

namespace Fathom.Cli;

/// <summary>A share with what it rests on.</summary>
internal static class ProportionText
{
    /// <summary>"93.8 % (105 of 112; 95 % confidence 87.7 – 96.9 %)".</summary>
    public static string Of(Proportion proportion) => proportion.Count == 0 ? "none asked" : string.Create(
        CultureInfo.InvariantCulture,
        $"{proportion.Share * 100,5:F1} % ({proportion.Successes} of {proportion.Count}; 95 % confidence {proportion.Interval.Low * 100:F1} – {proportion.Interval.High * 100:F1} %)");

    /// <summary>The member "confidence": bounds of the interval.</summary>
    public static void WriteConfidence(Utf8JsonWriter json, Proportion proportion)
    {
        json.WriteStartObject("confidence");
        json.WriteNumber("level", 0.95);
        json.WriteNumber("low", proportion.Interval.Low);
        json.WriteNumber("high", proportion.Interval.High);
        json.WriteEndObject();
    }
}
