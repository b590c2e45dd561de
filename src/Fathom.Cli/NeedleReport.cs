using System.Globalization;
using System.Text;
using System.Text.Json;
using Fathom.Train.Data.Tasks;
using Fathom.Train.Evaluation;

namespace Fathom.Cli;

/// <summary>What <c>fathom eval needle</c> prints.</summary>
internal sealed class NeedleReport(
    IReadOnlyList<NeedleResult> results, TaskKind kind, string kindName, EntrySelection selection, string split, ulong seed, int samples, int proseTokens)
{
    private readonly IReadOnlyList<NeedleAnswer> _answers = [.. results.SelectMany(result => result.Answers)];

    public string Title => $"{kindName}, {Selection}";

    // Every number has three digits; a list has at least two of them.
    private double Chance => kind == TaskKind.SeveralValues ? 1e-6 : 1e-3;

    private string Selection => selection switch
    {
        EntrySelection.None => "window only",
        _ => $"{selection.ToString().ToLowerInvariant()} indexer",
    };

    private bool IsRepeated => results.Max(result => result.Context) > proseTokens;

    public string Text()
    {
        var text = new StringBuilder();
        Line(text, $"{Title}, wordings of {split}; {results.Count * samples} haystacks, seeds {seed} to {seed + (ulong)samples - 1}; prose of {proseTokens:N0} tokens{(IsRepeated ? ", repeated" : "")}");
        Line(text, $"accuracy {Figures(NeedleTable.Accuracy(_answers))}; chance {Chance:0.######}");
        foreach (NeedleResult result in results)
        {
            Line(text, $"");
            Line(text, $"context {result.Context:N0}: {Figures(NeedleTable.Accuracy(result.Answers))}");
            Line(text, $"  {result.Keys:N0} keys in a haystack: one of their numbers at random is right in {1 / result.Keys:P1}");
            Line(text, $"  prefill {Rate(result):N0} tokens/s, {result.Time.TotalSeconds:N1} s in all");
            foreach (NeedleBucket bucket in NeedleTable.ByDepth(result.Answers))
                Line(text, $"  depth {bucket.From * 100,3:F0} – {bucket.To * 100,3:F0} %   {Figures(bucket.Correct)}");
        }

        Line(text, $"");
        foreach (NeedleBucket bucket in NeedleTable.ByDistance(_answers))
            Line(text, $"  distance {bucket.From,9:N0} – {bucket.To - 1,9:N0} tokens   {Figures(bucket.Correct)}");
        return text.ToString();
    }

    public void Write(Utf8JsonWriter json)
    {
        Write(json, _answers);
        json.WriteNumber("chance", Chance);
        json.WriteString("kind", kindName);
        json.WriteString("selection", Selection);
        json.WriteString("split", split);
        json.WriteNumber("seed", seed);
        json.WriteNumber("samples", samples);
        json.WriteNumber("proseTokens", proseTokens);
        json.WriteBoolean("proseRepeated", IsRepeated);
        json.WriteStartArray("contexts");
        foreach (NeedleResult result in results)
        {
            json.WriteStartObject();
            json.WriteNumber("context", result.Context);
            Write(json, result.Answers);
            json.WriteNumber("keys", result.Keys);
            json.WriteNumber("prefillTokens", result.PrefillTokens);
            json.WriteNumber("prefillTokensPerSecond", Rate(result));
            json.WriteNumber("seconds", result.Time.TotalSeconds);
            WriteMissed(json, [.. result.Answers.Where(answer => !answer.IsCorrect)]);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Write(Utf8JsonWriter json, IReadOnlyList<NeedleAnswer> answers)
    {
        Proportion accuracy = NeedleTable.Accuracy(answers);
        json.WriteNumber("accuracy", accuracy.Share);
        json.WriteNumber("n", accuracy.Count);
        ProportionText.WriteConfidence(json, accuracy);
        Write(json, "byDepth", NeedleTable.ByDepth(answers));
        Write(json, "byDistance", NeedleTable.ByDistance(answers));
    }

    // What was written instead tells whether the model read another key's number or none.
    private static void WriteMissed(Utf8JsonWriter json, IReadOnlyList<NeedleAnswer> answers)
    {
        json.WriteStartArray("missed");
        foreach (NeedleAnswer answer in answers)
        {
            json.WriteStartObject();
            json.WriteNumber("sample", answer.Sample);
            json.WriteString("key", answer.Key);
            json.WriteString("expected", answer.Expected);
            json.WriteString("given", answer.Given);
            json.WriteString("givenIsOf", answer.GivenIsOf);
            json.WriteNumber("depth", answer.Depth);
            json.WriteNumber("distance", answer.Distance);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Write(Utf8JsonWriter json, string name, IReadOnlyList<NeedleBucket> buckets)
    {
        json.WriteStartArray(name);
        foreach (NeedleBucket bucket in buckets)
        {
            json.WriteStartObject();
            json.WriteNumber("from", bucket.From);
            json.WriteNumber("to", bucket.To);
            json.WriteNumber("accuracy", bucket.Correct.Share);
            json.WriteNumber("n", bucket.Correct.Count);
            ProportionText.WriteConfidence(json, bucket.Correct);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static double Rate(NeedleResult result) => result.PrefillTokens / result.PrefillTime.TotalSeconds;

    private static string Figures(Proportion correct) => ProportionText.Of(correct);

    private static void Line(StringBuilder text, FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
}
