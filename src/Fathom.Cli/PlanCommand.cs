using System.CommandLine;
using Fathom.Checkpoints;
using Fathom.Devices;
using Fathom.Model;
using Fathom.Planning;
using Fathom.Tensors;

namespace Fathom.Cli;

/// <summary><c>fathom plan</c>: memory, arithmetic and time of a context length, before anything is loaded.</summary>
internal static class PlanCommand
{
    private const long MostUsers = 1_000_000;

    public static Command Create()
    {
        var target = new Argument<string?>("MODEL")
        {
            Description = "flash, pro, v3.2 or a model folder. Default: the folder given by --model.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var context = new Option<long>("--context") { Description = "Tokens of context.", HelpName = "N", Required = true };
        var users = new Option<long>("--users") { Description = "Users that hold a whole context each.", HelpName = "N", DefaultValueFactory = _ => 1 };
        context.Validators.Add(result => Arguments.InRange(result, 1, long.MaxValue));
        users.Validators.Add(result => Arguments.InRange(result, 1, MostUsers));
        Option<string?> model = Arguments.Model();
        Option<int> threads = Arguments.Threads();
        Option<bool> json = Arguments.Json();
        Option<bool> quiet = Arguments.Quiet();
        Option<NumericMode> numeric = Arguments.Numeric();
        var measure = new Option<bool>("--measure")
        {
            Description = $"Load the model, read {ReadingSample.WarmUpTokens + ReadingSample.PartTokens:N0} tokens or more with it and tell how long the context will take. It needs the weights.",
        };

        var command = new CommandWithExample(
            "plan",
            "Tells what a context length costs: cache, operations and weights against DeepSeek-V3.2, and the least time on this machine.",
            "fathom plan flash --context 1048576 --users 4")
        {
            target, context, users, measure, model, threads, numeric, json, quiet,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            (string name, ContextPlan plan) = Plan(parsed.GetValue(target), parsed.GetValue(model), parsed.GetValue(context));
            if (!parsed.GetValue(quiet))
                Console.Error.WriteLine("Measuring this machine…");
            int threadCount = parsed.GetValue(threads);
            MachineRates rates = await Task.Run(() => MachineRates.Measure(threadCount), cancellation).WaitAsync(cancellation).ConfigureAwait(false);
            long userCount = parsed.GetValue(users);
            string folder = parsed.GetValue(target) ?? parsed.GetValue(model) ?? Arguments.BundledModel;
            double? seconds = parsed.GetValue(measure)
                ? await Task.Run(() => Measure(folder, plan.Context, threadCount, parsed.GetValue(numeric), cancellation), cancellation).ConfigureAwait(false)
                : null;
            var report = new PlanReport(name, plan, userCount, rates, Forecast.For(plan, rates, userCount, MachineMemory.MeasureAvailable()), seconds);
            if (parsed.GetValue(json))
                report.WriteJson(Console.OpenStandardOutput());
            else
                report.WriteText(Console.Out);
            return ExitCode.Success;
        });
        return command;
    }

    private static double Measure(string folder, long context, int threads, NumericMode numeric, CancellationToken cancellation)
    {
        if (folder is "flash" or "pro" or "v3.2")
            throw new UsageException($"--measure: expected a model folder with weights, found {folder}, of which only the shape is known.");
        using ModelSession session = ModelSession.Open(folder, threads, numeric, allowUnused: false);
        return ReadingSample.Take(session, cancellation).Forecast(new ReadingForecast(session.Model.Config), (int)context);
    }

    private static (string Name, ContextPlan Plan) Plan(string? target, string? model, long context)
    {
        if (target is not null && model is not null)
            throw new UsageException($"Expected one model, found two: '{target}' and --model '{model}'.");

        switch (target)
        {
            case "flash":
                return ("DeepSeek-V4-Flash", PlanOf(KnownModels.Flash, context));
            case "pro":
                return ("DeepSeek-V4-Pro", PlanOf(KnownModels.Pro, context));
            case "v3.2":
                return ("DeepSeek-V3.2", ContextPlan.ForV32(context));
            default:
                string path = target ?? model ?? Arguments.BundledModel;
                return (ModelFiles.NameOf(path), PlanOfFolder(path, context));
        }
    }

    private static ContextPlan PlanOf(ModelConfig config, long context) => PlanOf(config, TensorInventory.For(config), context);

    private static ContextPlan PlanOf(ModelConfig config, TensorInventory inventory, long context) => context <= config.MaxPositions
        ? ContextPlan.For(config, inventory, context)
        : throw new UsageException($"--context: expected at most {config.MaxPositions}, the model's max_position_embeddings, found {context}.");

    /// <summary>A model that is not downloaded yet may be planned from its config alone, as if in the released number formats.</summary>
    private static ContextPlan PlanOfFolder(string path, long context)
    {
        if (!Path.Exists(path))
            throw new UsageException($"Expected flash, pro, v3.2 or a model folder, found '{path}', which does not exist.");
        ConfigFile configFile = ModelFiles.ReadConfig(path);
        if (!Directory.EnumerateFiles(path, "*.safetensors*").Any())
        {
            Console.Error.WriteLine($"{path} holds no tensors: the weights are planned in the released formats, FP8 and FP4.");
            return PlanOf(configFile.Config, context);
        }
        using ModelFiles files = ModelFiles.Open(path, configFile);
        return PlanOf(files.Config, files.Inventory, context) with { WeightsBytes = files.WeightsBytes };
    }
}
