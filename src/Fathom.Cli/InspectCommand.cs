using System.CommandLine;

namespace Fathom.Cli;

/// <summary><c>fathom inspect</c>: what a model is, from its config and the headers of its tensors.</summary>
internal static class InspectCommand
{
    public static Command Create()
    {
        var folder = new Argument<string?>("DIR")
        {
            Description = "A model folder. Default: the folder given by --model.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<string?> model = Arguments.Model();
        Option<bool> json = Arguments.Json();
        Option<bool> quiet = Arguments.Quiet();

        var command = new CommandWithExample(
            "inspect",
            "Tells what a model is: layers by kind, parameters, bytes by number format and cache per token. Reads no weights.",
            "fathom inspect models/DeepSeek-V4-Flash")
        {
            folder, model, json, quiet,
        };
        command.SetAction(parsed =>
        {
            string? given = parsed.GetValue(folder);
            string? option = parsed.GetValue(model);
            if (given is not null && option is not null)
                throw new UsageException($"Expected one model, found two: '{given}' and --model '{option}'.");
            string path = given ?? option ?? Arguments.BundledModel;
            using ModelFiles files = ModelFiles.Open(path);
            var report = new InspectReport(ModelFiles.NameOf(path), files);
            if (parsed.GetValue(json))
                report.WriteJson(Console.OpenStandardOutput());
            else
                report.WriteText(Console.Out);
            return ExitCode.Success;
        });
        return command;
    }
}
