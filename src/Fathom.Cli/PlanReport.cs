using System.Globalization;
using System.Text.Json;
using Fathom.Planning;

namespace Fathom.Cli;

/// <summary>A plan in words and numbers, for people or for programs.</summary>
/// <param name="measured">seconds for the whole context by what the model itself read, or null</param>
internal sealed class PlanReport(string model, ContextPlan plan, long users, MachineRates rates, Forecast forecast, double? measured)
{
    private const double Giga = 1e9;

    private readonly ContextPlan _v32 = ContextPlan.ForV32(plan.Context);

    public void WriteText(TextWriter output)
    {
        Line(output, $"{model}, {plan.Context:N0} tokens of context, {users:N0} {(users == 1 ? "user" : "users")}");
        output.WriteLine();
        Row(output, "per user", "this model", "V3.2", "ratio");
        Row(output, "cache per token", $"{plan.KvBytesPerToken:N0} B", $"{_v32.KvBytesPerToken:N0} B", "");
        Row(output, "cache of the context", Bytes(plan.KvBytes), Bytes(_v32.KvBytes), Percent(plan.KvVsV32));
        Row(output, "operations of its last token", Operations(plan.Flops.Raw), Operations(_v32.Flops.Raw), "");
        Row(output, "  weighted: BF16 2, FP8 1, FP4 0.5", Operations(plan.FlopsWeighted), Operations(_v32.FlopsWeighted), Percent(plan.FlopsVsV32));
        Row(output, "weights", Bytes(plan.WeightsBytes), Bytes(_v32.WeightsBytes), "");
        Row(output, "  read for that token", Bytes(plan.WeightsBytesPerToken), Bytes(_v32.WeightsBytesPerToken), "");
        output.WriteLine();
        Line(output, $"This machine, measured with {rates.Threads} {(rates.Threads == 1 ? "thread" : "threads")}: reads {rates.ReadGBps:F1} GB/s, {rates.FmaGflops:F0} GFLOPS in FP32.");
        Line(output, $"Memory: needs {Bytes(forecast.MemoryNeeded)} (weights {Bytes(plan.WeightsBytes)}, caches {Bytes(users * plan.KvBytes)}), available {Bytes(forecast.MemoryAvailable)}.");
        if (forecast.Fits)
        {
            Line(output, $"At these limits a token takes {forecast.SecondsPerToken:G3} s ({1 / forecast.SecondsPerToken:G3} tokens/s), reading the whole context {Duration(forecast.PrefillSeconds)}.");
            if (measured is { } seconds)
                Line(output, $"By some thousand tokens read with this model, reading the whole context takes {Duration(seconds)}.");
            return;
        }

        Line(output, $"It does not fit: {Bytes(forecast.MemoryNeeded - forecast.MemoryAvailable)} are missing, and weights would come from disk for every token.");
        Line(output, $"With enough memory of this speed a token would take {forecast.SecondsPerToken:G3} s, reading the whole context {Duration(forecast.PrefillSeconds)}.");
    }

    public void WriteJson(Stream output)
    {
        JsonOutput.Write(output, json =>
        {
            json.WriteString("model", model);
            json.WriteNumber("context", plan.Context);
            json.WriteNumber("users", users);
            json.WriteNumber("kvBytesPerToken", plan.KvBytesPerToken);
            json.WriteNumber("kvBytesFixed", plan.KvBytesFixed);
            json.WriteNumber("kvBytesTotal", users * plan.KvBytes);
            json.WriteNumber("kvVsV32", plan.KvVsV32);
            json.WriteNumber("flopsPerToken", plan.Flops.Raw);
            json.WriteNumber("flopsWeightedPerToken", (long)plan.FlopsWeighted);
            json.WriteNumber("flopsVsV32", plan.FlopsVsV32);
            json.WriteNumber("weightsBytes", plan.WeightsBytes);
            json.WriteNumber("weightsBytesPerToken", plan.WeightsBytesPerToken);
            WriteMachine(json);
        });
    }

    private void WriteMachine(Utf8JsonWriter json)
    {
        json.WriteStartObject("machine");
        json.WriteNumber("threads", rates.Threads);
        json.WriteNumber("readGBps", Math.Round(rates.ReadGBps, 2));
        json.WriteNumber("fmaGflops", Math.Round(rates.FmaGflops, 1));
        json.WriteNumber("memoryAvailable", forecast.MemoryAvailable);
        json.WriteEndObject();
        json.WriteStartObject("forecast");
        json.WriteNumber("memoryNeeded", forecast.MemoryNeeded);
        json.WriteBoolean("fits", forecast.Fits);
        json.WriteNumber("secondsPerToken", forecast.SecondsPerToken);
        json.WriteNumber("prefillSeconds", forecast.PrefillSeconds);
        if (measured is { } seconds)
            json.WriteNumber("measuredPrefillSeconds", seconds);
        json.WriteEndObject();
    }

    private static void Row(TextWriter output, string what, string ours, string theirs, string ratio) =>
        Line(output, $"{what,-36}{ours,14}{theirs,14}{ratio,10}".TrimEnd());

    private static void Line(TextWriter output, FormattableString text) => output.WriteLine(text.ToString(CultureInfo.InvariantCulture));

    private static void Line(TextWriter output, string text) => output.WriteLine(text);

    private static string Bytes(long bytes) => bytes switch
    {
        < 10_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes:N0} B"),
        < 100_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:N2} MB"),
        < 100_000_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / Giga:N2} GB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / Giga:N1} GB"),
    };

    private static string Operations(double operations) => operations < Giga
        ? string.Create(CultureInfo.InvariantCulture, $"{operations / 1e6:N2} M")
        : string.Create(CultureInfo.InvariantCulture, $"{operations / Giga:N1} G");

    private static string Percent(double ratio) => string.Create(CultureInfo.InvariantCulture, $"{100 * ratio:F1} %");

    private static string Duration(double seconds) => seconds switch
    {
        < 1 => string.Create(CultureInfo.InvariantCulture, $"{seconds:G2} s"),
        < 600 => string.Create(CultureInfo.InvariantCulture, $"{seconds:F0} s"),
        < 36_000 => string.Create(CultureInfo.InvariantCulture, $"{seconds / 60:F0} min"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{seconds / 3600:F0} h"),
    };
}
