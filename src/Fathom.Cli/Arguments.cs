using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Fathom.Devices;

namespace Fathom.Cli;

/// <summary>The options that several commands share, each made in one place so that name and meaning agree everywhere.</summary>
internal static class Arguments
{
    /// <summary>The model that comes with the program, beside the executable.</summary>
    public static string BundledModel => Path.Combine(AppContext.BaseDirectory, "models", "fathom-nano");

    public static Option<string?> Model() => new("--model")
    {
        Description = "A model folder (config.json, tokenizer.json, *.safetensors). Default: the bundled model.",
        HelpName = "DIR|FILE",
    };

    public static Option<int> Threads()
    {
        var option = new Option<int>("--threads")
        {
            Description = "Threads to compute with.",
            HelpName = "N",
            DefaultValueFactory = _ => Environment.ProcessorCount,
        };
        option.Validators.Add(result => InRange(result, 1, 1024));
        return option;
    }

    /// <summary>How the processor multiplies; see docs/decisions/0011-fast-mode.md.</summary>
    public static Option<NumericMode> Numeric() => NumericOf(
        "--numeric",
        "exact, or fast: activations that meet FP4 weights are rounded to eight bits, which takes less time and changes answers a little. Default: exact.");

    /// <summary>An option whose value is the name of a numeric mode; without it, exact.</summary>
    public static Option<NumericMode> NumericOf(string name, string description)
    {
        return new Option<NumericMode>(name)
        {
            Description = description,
            HelpName = "exact|fast",
            CustomParser = result =>
            {
                string found = result.Tokens is [var token] ? token.Value : "";
                if (found is not ("exact" or "fast"))
                    result.AddError($"{name}: expected exact or fast, found '{found}'.");
                return found == "fast" ? NumericMode.Fast : NumericMode.Exact;
            },
        };
    }

    /// <summary>A mode as the options name it.</summary>
    public static string NameOf(NumericMode mode) => mode == NumericMode.Fast ? "fast" : "exact";

    public static Option<bool> Json() => new("--json") { Description = "Print one JSON object instead of text." };

    public static Option<bool> Quiet() => new("--quiet") { Description = "Print no progress on stderr." };

    /// <summary>Adds a complaint when an option's number lies outside its bounds.</summary>
    public static void InRange(OptionResult result, long least, long most)
    {
        if (result.Tokens.Count != 1 || !long.TryParse(result.Tokens[0].Value, NumberStyles.Integer, CultureInfo.InvariantCulture, out long value))
            return;
        if (value < least)
            result.AddError($"{result.Option.Name}: expected {least} or more, found {value}.");
        else if (value > most)
            result.AddError($"{result.Option.Name}: expected {most} or less, found {value}.");
    }
}
