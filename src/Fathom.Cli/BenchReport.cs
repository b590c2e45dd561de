using System.Globalization;
using System.Text.Json;
using Fathom.Benchmarking;
using Spectre.Console;

namespace Fathom.Cli;

/// <summary>What <c>fathom bench</c> prints: a table for each section, every figure beside its limit.</summary>
internal sealed class BenchReport(BenchTarget target, BenchEffort effort, int threads, bool synthetic, IReadOnlyList<BenchFigure> figures)
{
    private const int OutputWidth = 120;

    // The model's threads wait actively for one another, so on a machine of their own they use nearly all of it.
    private const double QuietShare = 0.8;

    private readonly bool _isWhole = target.Config.LayerCount == target.Full.LayerCount && target.Config.ExpertCount == target.Full.ExpertCount
        && target.Config.VocabularySize == target.Full.VocabularySize;

    public string Title => string.Create(CultureInfo.InvariantCulture, $"{target.Title}; {threads} {(threads == 1 ? "thread" : "threads")}");

    public void WriteText(TextWriter output, bool profile)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });
        if (Console.IsOutputRedirected)
            console.Profile.Width = OutputWidth;
        console.WriteLine(Title);
        foreach (string note in Notes())
            console.WriteLine(note);
        Machine(console);
        Table(console, "product", string.Create(CultureInfo.InvariantCulture, $"matrix products, {effort.Width} × {effort.Width}"), "rows");
        Table(console, "prefill", "reading a prompt", "tokens");
        Table(console, "prefill layer", "a layer of each kind, reading a prompt", "tokens");
        Table(console, "decode", "writing a token", "context");
        Table(console, "layer", "a layer of each kind, writing a token", "context");
        if (!_isWhole)
            Table(console, "full model", string.Create(CultureInfo.InvariantCulture, $"{target.Name} whole, {target.Full.LayerCount} layers, by the times above"), "tokens");
        if (!profile)
            return;

        foreach (string section in (string[])["prefill operation", "operation"])
        {
            foreach (int at in figures.Where(figure => figure.Section == section).Select(figure => figure.At).Distinct())
                Operations(console, section, at);
        }
    }

    public void WriteJson(Utf8JsonWriter json)
    {
        json.WriteString("model", target.Name);
        json.WriteString("format", target.FormatName);
        json.WriteNumber("layers", target.Config.LayerCount);
        json.WriteNumber("fullLayers", target.Full.LayerCount);
        json.WriteNumber("experts", target.Config.ExpertCount);
        json.WriteNumber("fullExperts", target.Full.ExpertCount);
        json.WriteNumber("threads", threads);
        json.WriteString("numeric", Arguments.NameOf(target.Numeric));
        json.WriteBoolean("syntheticCache", synthetic);
        json.WriteStartArray("notes");
        foreach (string note in Notes())
            json.WriteStringValue(note);
        json.WriteEndArray();
        json.WriteStartArray("figures");
        foreach (BenchFigure figure in figures)
        {
            json.WriteStartObject();
            json.WriteString("section", figure.Section);
            json.WriteString("name", figure.Name);
            json.WriteNumber("at", figure.At);
            json.WriteNumber("value", figure.Value);
            json.WriteString("unit", figure.Unit);
            if (figure.Limit is { } limit)
                json.WriteNumber("limit", limit);
            if (figure.Share is { } share)
                json.WriteNumber("share", share);
            json.WriteNumber("repetitions", figure.Repetitions);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private IEnumerable<string> Notes()
    {
        yield return "Limits are what this machine reads and multiplies at most, the slower of the two; above 100 % something lay in the processor's cache.";
        if (!_isWhole && target.Config.ExpertCount < target.Full.ExpertCount)
            yield return $"A token uses {target.Config.ExpertsPerToken} experts as in the full model, so it reads as many bytes; a prompt's tokens share {target.Config.ExpertCount} experts instead of {target.Full.ExpertCount}, which is easier.";
        if (synthetic)
            yield return "Contexts were made, not read: caches hold random rows.";
        if (Of("conditions").FirstOrDefault() is { Value: < QuietShare } busy)
            yield return $"The machine was busy: the model had {Percent(busy.Value)} of its processors' time. Measure again when nothing else runs.";
        yield return "Every written token is another one. Timing the operations itself costs about 0.1 µs for each.";
    }

    private void Machine(IAnsiConsole console)
    {
        Table table = New("this machine", "", Of("machine").Select(figure => figure.At).Distinct().Select(at => at == 1 ? "1 thread" : Number(at) + " threads"));
        foreach (IGrouping<string, BenchFigure> row in Of("machine").GroupBy(figure => figure.Name))
            table.AddRow([row.Key, .. row.Select(figure => $"{Number(figure.Value)} {figure.Unit}")]);
        console.Write(table);
    }

    private void Table(IAnsiConsole console, string section, string title, string at)
    {
        if (!Of(section).Any())
            return;
        Table table = New(title, at, ["figure", "measured", "limit", "share", "runs"]);
        foreach (BenchFigure figure in Of(section))
        {
            table.AddRow(
                Number(figure.At), figure.Name, $"{Number(figure.Value)} {figure.Unit}", figure.Limit is { } limit ? Number(limit) : "",
                Percent(figure.Share), figure.Repetitions > 0 ? Number(figure.Repetitions) : "");
        }

        console.Write(table);
    }

    private void Operations(IAnsiConsole console, string section, int at)
    {
        Dictionary<string, BenchFigure> byName = Of(section).Where(figure => figure.At == at).ToDictionary(figure => figure.Name);
        BenchFigure[] times = [.. byName.Values.Where(figure => figure.Unit == "ms").OrderByDescending(figure => figure.Value)];
        double all = times.Sum(figure => figure.Value);
        string what = section == "operation" ? $"writing a token behind {Number(at)}" : $"reading {Number(at)} tokens";
        Table table = New($"operations of {what}", "operation", ["calls", "ms", "of all", "MB", "GB/s", "GFLOPS", "limit ms", "share"]);
        foreach (BenchFigure time in times)
        {
            double megabytes = byName[time.Name + " bytes"].Value, megaflops = byName[time.Name + " flops"].Value;
            table.AddRow(
                time.Name, Number(byName[time.Name + " calls"].Value), Number(time.Value), Percent(time.Value / all), Number(megabytes),
                Number(megabytes / time.Value), Number(megaflops / time.Value), Number(time.Limit ?? 0), Percent(time.Share));
        }

        console.Write(table);
    }

    private IEnumerable<BenchFigure> Of(string section) => figures.Where(figure => figure.Section == section);

    private static Table New(string title, string first, IEnumerable<string> others)
    {
        Table table = new Table().Border(TableBorder.Simple).Title(title);
        table.AddColumn(first);
        foreach (string column in others)
            table.AddColumn(new TableColumn(column) { Alignment = column == "figure" ? Justify.Left : Justify.Right });
        return table;
    }

    private static string Percent(double? share) => share is { } value ? value.ToString("P0", CultureInfo.InvariantCulture) : "";

    private static string Number(double value) => Math.Abs(value) switch
    {
        >= 100 => value.ToString("N0", CultureInfo.InvariantCulture),
        >= 10 => value.ToString("0.#", CultureInfo.InvariantCulture),
        >= 1 => value.ToString("0.##", CultureInfo.InvariantCulture),
        _ => value.ToString("0.####", CultureInfo.InvariantCulture),
    };
}
