using System.CommandLine;
using System.Globalization;
using Fathom.Cpu;
using Fathom.Quantization;

namespace Fathom.Cli;

/// <summary><c>fathom quantize</c>: the same model in another number format.</summary>
internal static class QuantizeCommand
{
    private const string Packed = "packed";

    public static Command Create()
    {
        var input = new Argument<string>("IN") { Description = "A model folder in any format that the engine reads." };
        var output = new Argument<string>("OUT") { Description = "The folder to make; it must not exist or be empty." };
        var format = new Option<string>("--format")
        {
            Description = "official: FP4 experts, FP8 projections, the rest as released. bf16. f32. packed: the numbers as they are, in the order in which the processor "
                + "reads them, so that the files are mapped instead of loaded and may be larger than memory; what was stopped goes on when started again.",
            HelpName = "official|bf16|f32|packed",
            Required = true,
        };
        format.AcceptOnlyFromAmong("official", "bf16", "f32", Packed);
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
                if (parsed.GetValue(format) == Packed)
                    return Pack(from, to, silent, parsed.GetValue(json), cancellation);
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

    private static int Pack(string from, string to, bool silent, bool json, CancellationToken cancellation)
    {
        using var device = new CpuDevice(Environment.ProcessorCount);
        ReadingProgress? progress = null;
        long bytes = ModelPacker.Pack(from, to, device, (done, total) => (progress ??= new ReadingProgress(total, silent, "files")).Report(done), cancellation);
        progress?.End();
        if (json)
        {
            JsonOutput.Write(writer =>
            {
                writer.WriteString("model", to);
                writer.WriteNumber("bytesAfter", bytes);
            });
        }
        else
        {
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{to}: {bytes:N0} B, packed for this program; the numbers are those of {from}."));
        }

        return ExitCode.Success;
    }

    private static ModelFormat Parse(string name) => name switch
    {
        "official" => ModelFormat.Official,
        "bf16" => ModelFormat.Bf16,
        _ => ModelFormat.F32,
    };
}
