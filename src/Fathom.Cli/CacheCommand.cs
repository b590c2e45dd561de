using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Fathom.Cache;
using Fathom.Engine;

namespace Fathom.Cli;

/// <summary><c>fathom cache</c>: what is kept on the disk, and for whom.</summary>
internal static class CacheCommand
{
    public static CommandWithExample Create()
    {
        var command = new CommandWithExample(
            "cache", "Lists, names, removes and checks the caches on the disk: texts that models have read and need not read again.", "fathom cache list");
        command.Add(List());
        command.Add(Show());
        command.Add(Pin());
        command.Add(Drop());
        command.Add(Check());
        return command;
    }

    private static CommandWithExample List()
    {
        Option<string?> folder = CacheArguments.Folder();
        Option<bool> json = Arguments.Json();
        var command = new CommandWithExample("list", "Models with their caches: bytes, places at which a text can go on, pinned texts.", "fathom cache list") { folder, json };
        command.SetAction(parsed =>
        {
            IReadOnlyList<StoreSummary> found = Catalog(parsed, folder).List();
            if (parsed.GetValue(json))
                JsonOutput.Write(writer => WriteJson(writer, found, withCheckpoints: false));
            else if (found.Count == 0)
                Console.Out.WriteLine($"{parsed.GetValue(folder) ?? CacheArguments.DefaultFolder}: no caches.");
            foreach (StoreSummary summary in parsed.GetValue(json) ? [] : found)
            {
                Line($"{summary.Model}  {summary.Bytes:N0} B, {summary.Segments:N0} segments of 2,048 tokens, {summary.Checkpoints.Count:N0} checkpoints  ({summary.Folder})");
                foreach (StorePin pin in summary.Pins)
                    Line($"  {pin.Name}  {pin.Tokens:N0} tokens, pinned {pin.Created:u}{(pin.Sources.Count > 0 ? ": " : "")}{string.Join(", ", pin.Sources)}");
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static CommandWithExample Show()
    {
        var name = new Argument<string>("NAME") { Description = "A pinned text, a model, or the first digits of a checkpoint or of a folder." };
        Option<string?> folder = CacheArguments.Folder();
        Option<bool> json = Arguments.Json();
        var command = new CommandWithExample("show", "Every checkpoint that fits a name: tokens, bytes, when it was used last and how often.", "fathom cache show fathom-nano") { name, folder, json };
        command.SetAction(parsed =>
        {
            string wanted = parsed.GetValue(name)!;                                       // required
            var found = new List<StoreSummary>();
            foreach (StoreSummary summary in Catalog(parsed, folder).List())
            {
                bool isWhole = summary.Model == wanted || summary.Folder.StartsWith(wanted, StringComparison.OrdinalIgnoreCase);
                StorePin? pin = summary.Pins.FirstOrDefault(pin => pin.Name == wanted);
                StoreEntry[] entries = [.. summary.Checkpoints.Where(entry => isWhole || entry.Id == pin?.Checkpoint || entry.Id.StartsWith(wanted, StringComparison.OrdinalIgnoreCase))];
                if (entries.Length > 0)
                    found.Add(summary with { Checkpoints = entries });
            }

            if (found.Count == 0)
                throw new RequestException($"{wanted}: expected a pinned text, a model or a checkpoint of the caches, found none. fathom cache list shows what there is.");
            if (parsed.GetValue(json))
                JsonOutput.Write(writer => WriteJson(writer, found, withCheckpoints: true));
            foreach ((StoreSummary summary, StoreEntry entry) in parsed.GetValue(json) ? [] : found.SelectMany(summary => summary.Checkpoints.Select(entry => (summary, entry))))
            {
                string pins = string.Join(", ", summary.Pins.Where(pin => pin.Checkpoint == entry.Id).Select(pin => pin.Name));
                Line($"{entry.Id}  {entry.Tokens,9:N0} tokens  {entry.Bytes,12:N0} B  used {entry.LastUsed:u}, {entry.Hits} times  {summary.Model}{(pins.Length > 0 ? ", pinned as " : "")}{pins}");
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static CommandWithExample Pin()
    {
        var name = new Argument<string>("NAME") { Description = "Letters, digits, dot, dash and underscore." };
        var id = new Argument<string>("CHECKPOINT") { Description = "Its digits or the first of them, from fathom cache show." };
        Option<string?> folder = CacheArguments.Folder();
        var command = new CommandWithExample("pin", "Names a checkpoint, so that it stays and fathom run --cache NAME goes on from it.", "fathom cache pin contracts 3f2a") { name, id, folder };
        command.SetAction(parsed =>
        {
            try
            {
                if (!Catalog(parsed, folder).Pin(parsed.GetValue(name)!, parsed.GetValue(id)!))
                    throw new RequestException($"{parsed.GetValue(id)}: expected the first digits of one checkpoint, found none or several. fathom cache show MODEL lists them.");
            }
            catch (ArgumentException e)
            {
                throw new UsageException(e.Message);
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static CommandWithExample Drop()
    {
        var name = new Argument<string>("NAME") { Description = "A pinned text, or the first digits of checkpoints." };
        Option<string?> folder = CacheArguments.Folder();
        var command = new CommandWithExample("drop", "Removes caches, and the segments that nothing else needs.", "fathom cache drop contracts") { name, folder };
        command.SetAction(parsed =>
        {
            int dropped = Catalog(parsed, folder).Drop(parsed.GetValue(name)!);
            return dropped > 0 ? ExitCode.Success : throw new RequestException($"{parsed.GetValue(name)}: expected a pinned text or a checkpoint, found none. fathom cache list shows what there is.");
        });
        return command;
    }

    private static CommandWithExample Check()
    {
        Option<string?> folder = CacheArguments.Folder();
        Option<bool> json = Arguments.Json();
        var command = new CommandWithExample("check", "Reads every file and compares checksums; damaged ones are put aside, and what they held is computed again when it is needed.", "fathom cache check") { folder, json };
        command.SetAction((parsed, cancellation) => Task.Run(
            () =>
            {
                StoreCheck check = Catalog(parsed, folder).Check(default, cancellation);
                if (parsed.GetValue(json))
                {
                    JsonOutput.Write(writer =>
                    {
                        writer.WriteNumber("files", check.Files);
                        writer.WriteStartArray("damaged");
                        foreach (string path in check.Damaged)
                            writer.WriteStringValue(path);
                        writer.WriteEndArray();
                    });
                }
                else
                {
                    foreach (string path in check.Damaged)
                        Line($"{path}: damaged, put aside");
                    Line($"{check.Files:N0} files, {check.Damaged.Count:N0} damaged");
                }

                return check.Damaged.Count == 0 ? ExitCode.Success : ExitCode.Failed;
            },
            cancellation));
        return command;
    }

    private static void WriteJson(Utf8JsonWriter json, IEnumerable<StoreSummary> found, bool withCheckpoints)
    {
        json.WriteStartArray("models");
        foreach (StoreSummary summary in found)
        {
            json.WriteStartObject();
            json.WriteString("model", summary.Model);
            json.WriteString("folder", summary.Folder);
            json.WriteNumber("bytes", summary.Bytes);
            json.WriteNumber("segments", summary.Segments);
            json.WriteStartArray("pins");
            foreach (StorePin pin in summary.Pins)
            {
                json.WriteStartObject();
                json.WriteString("name", pin.Name);
                json.WriteNumber("tokens", pin.Tokens);
                json.WriteString("created", pin.Created);
                json.WriteString("checkpoint", pin.Checkpoint);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteNumber("checkpointCount", summary.Checkpoints.Count);
            json.WriteStartArray("checkpoints");
            foreach (StoreEntry entry in withCheckpoints ? summary.Checkpoints : [])
            {
                json.WriteStartObject();
                json.WriteString("id", entry.Id);
                json.WriteNumber("tokens", entry.Tokens);
                json.WriteNumber("bytes", entry.Bytes);
                json.WriteString("lastUsed", entry.LastUsed);
                json.WriteNumber("hits", entry.Hits);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static StoreCatalog Catalog(ParseResult parsed, Option<string?> folder) => new(parsed.GetValue(folder) ?? CacheArguments.DefaultFolder);

    private static void Line(FormattableString line) => Console.Out.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
