using System.CommandLine;
using Fathom.Quantization;

namespace Fathom.Cli;

/// <summary><c>fathom quantize</c>: the same model in another number format.</summary>
internal static class QuantizeCommand
{
    public static Command Create()
    {
        var input = new Argument<string>("IN") { Description = "A model folder in any format that the engine reads." };
        var output = new Argument<string>("OUT") { Description = "The folder to make; it must not exist or be empty." };
        var format = new Option<string>("--format")
        {
            Description = "official: FP4 experts, FP8 projections, the rest as released. bf16. f32.",
            HelpName = "official|bf16|f32",
            Required = true,
        };
        format.AcceptOnlyFromAmong("official", "bf16", "f32");
        Option<bool> json = Arguments.Json();
        Option<bool> quiet = Arguments.Quiet();
        var command = new CommandWithExample(
            "quantize",
            "Converts a model between number formats; the result has the tensor names and the config of the released models.",
            "fathom quantize runs/model models/mine --format official")
        {
            input, output, format, json, quiet,
        };
        command.SetAction((parsed, cancellation) => Task.Run(
            () =>
            {
                string from = parsed.GetValue(input)!, to = parsed.GetValue(output)!;      // required
                ModelFiles.ReadConfig(from);
                bool silent = parsed.GetValue(quiet);
                ReadingProgress? progress = null;
                ConversionReport report = ModelConverter.Convert(
                    from, to, Parse(parsed.GetValue(format)!), done => (progress ??= new ReadingProgress(done.Total, silent, "weights")).Report(done.Done), cancellation);
                progress?.End();
                if (parsed.GetValue(json))
                    QuantizeReport.WriteJson(report, to);
                else
                    QuantizeReport.WriteText(report, to, Console.Out);
                return ExitCode.Success;
            },
            cancellation));
        return command;
    }

    private static ModelFormat Parse(string name) => name switch
    {
        "official" => ModelFormat.Official,
        "bf16" => ModelFormat.Bf16,
        _ => ModelFormat.F32,
    };
}
