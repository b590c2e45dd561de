using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

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
