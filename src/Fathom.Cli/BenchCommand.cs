using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Fathom.Benchmarking;
using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Model;
using Fathom.Planning;
using Fathom.Tensors;

namespace Fathom.Cli;

/// <summary><c>fathom bench</c>: how fast this machine runs a model of real dimensions, and how fast it could, without a download.</summary>
internal sealed class BenchCommand
{
    private const int MaxRows = 512;
    private const int LayersMost = 1_000;
    private const string SyntheticDepths = "512,4096,16384,65536";
    private const string ReadDepths = "512";

    private readonly Option<string> _shape = new("--shape")
    {
        Description = "Whose dimensions: flash, pro, nano (the bundled model), or a model folder, which is measured as it is.",
        HelpName = "flash|pro|nano|DIR",
        DefaultValueFactory = _ => "nano",
    };

    private readonly Option<int?> _layers = new("--layers")
    {
        Description = $"Layers: window, CSA, HCA, then CSA and HCA in turn. Default: {SyntheticModel.LayerCount}.",
        HelpName = "L",
    };

    private readonly Option<string?> _format = new("--format") { Description = "How weights are stored: official (FP8 and FP4) or bf16. Default: official.", HelpName = "official|bf16" };

    private readonly Option<int?> _experts = new("--experts")
    {
        Description = $"Routed experts of a layer. A token uses as many whatever their number. Default: {SyntheticModel.ExpertCount}, or the model's if fewer.",
        HelpName = "E",
    };

    private readonly Option<bool> _synthetic = new("--synthetic-cache")
    {
        Description = $"Make the contexts of --depths instead of reading them: caches hold random rows. Default depths are then {SyntheticDepths}.",
    };

    private readonly Option<string?> _depths = new("--depths") { Description = $"Tokens of context to write behind. Default: {ReadDepths}.", HelpName = "N[,N…]" };
    private readonly Option<string> _prompts = new("--prompts") { Description = "Tokens of the prompts to read.", HelpName = "N[,N…]", DefaultValueFactory = _ => "128,512,2048" };
    private readonly Option<bool> _quick = new("--quick") { Description = "Measure the machine and its products once each: to see that everything works, not how fast." };
    private readonly Option<bool> _profile = new("--profile") { Description = "Print time and bytes of every operation as well." };
    private readonly Option<string?> _csv = new("--csv") { Description = "Write all figures. In an existing folder the file is named by shape, layers and format.", HelpName = "FILE|DIR" };
    private readonly Option<string?> _picture = new("--picture") { Description = "Write a picture of them, SVG; named in the same way.", HelpName = "FILE|DIR" };
    private readonly Option<string?> _packed = new("--packed")
    {
        Description = "Keep the model's weights packed in this folder, made if they aren't there, and run them from there, mapped: they may be larger than memory.",
        HelpName = "DIR",
    };

    private readonly Option<int> _threads = Arguments.Threads();
    private readonly Option<NumericMode> _numeric = Arguments.Numeric();
    private readonly Option<bool> _json = Arguments.Json();
    private readonly Option<bool> _quiet = Arguments.Quiet();

    private BenchCommand()
    {
        _format.AcceptOnlyFromAmong("official", "bf16");
        _layers.Validators.Add(result => Arguments.InRange(result, 1, LayersMost));
        _experts.Validators.Add(result => Arguments.InRange(result, 1, int.MaxValue));
    }

    public static Command Create()
    {
        var own = new BenchCommand();
        var command = new CommandWithExample(
            "bench",
            "Measures this machine and a model on it: ceilings of memory and arithmetic, matrix products, reading prompts, writing behind contexts of "
            + "several lengths, each kind of layer, each beside what the machine could do at most. Weights are random, made in memory.",
            "fathom bench --shape flash --layers 3 --synthetic-cache --profile")
        {
            own._shape, own._layers, own._format, own._experts, own._packed, own._threads, own._numeric, own._synthetic, own._depths, own._prompts,
            own._quick, own._profile, own._csv, own._picture, own._json, own._quiet,
        };
        command.SetAction((parsed, cancellation) => Task.Run(() => own.Run(parsed, cancellation), cancellation));
        return command;
    }

    private int Run(ParseResult parsed, CancellationToken cancellation)
    {
        bool synthetic = parsed.GetValue(_synthetic);
        int[] depths = Numbers("--depths", parsed.GetValue(_depths) ?? (synthetic ? SyntheticDepths : ReadDepths));
        int[] prompts = Numbers("--prompts", parsed.GetValue(_prompts)!);                 // has a default
        int threads = parsed.GetValue(_threads);
        BenchTarget target = Target(parsed) with { Numeric = parsed.GetValue(_numeric) };
        target.CheckLengths(depths, prompts);
        target.CheckMemory(MachineMemory.MeasureAvailable(), Math.Min(MaxRows, prompts.Max()), Math.Max(depths.Max(), prompts.Max()));

        Action<string> tell = parsed.GetValue(_quiet) ? _ => { } : Console.Error.WriteLine;
        BenchEffort effort = parsed.GetValue(_quick) ? BenchEffort.Quick : BenchEffort.Usual;
        tell("Measuring this machine…");
        (IReadOnlyList<BenchFigure> ceilings, MachineRates limits) = MachineBench.Ceilings(threads, effort);
        var figures = new List<BenchFigure>(ceilings);
        figures.AddRange(Products(threads, limits, effort, tell, cancellation));
        using var cpu = new CpuDevice(threads, target.Numeric);
        tell($"Making the weights of {target.Title}…");
        target.Prepare(cpu, cancellation);
        double? disk = target.Folder is { } mapped ? DiskRate.Measure(mapped, threads) : null;
        if (disk is { } rate)
            figures.Add(new BenchFigure("machine", "disk", threads, rate, "GB/s", null, 1));
        using var device = new ProfilingDevice(cpu, target.Config.LayerCount);
        using BenchModel model = target.Load(device, Math.Min(MaxRows, Math.Max(prompts.Max(), 1)));
        (TimeSpan used, long begin) = (Environment.CpuUsage.TotalTime, Stopwatch.GetTimestamp());
        var bench = new ModelBench(target.Subject(model.Transformer.Layout, limits) with { DiskGBps = disk }, model.Transformer, device, target.Folder is not null);
        foreach (int prompt in prompts)
        {
            cancellation.ThrowIfCancellationRequested();
            tell(string.Create(CultureInfo.InvariantCulture, $"Reading {prompt:N0} tokens…"));
            figures.AddRange(bench.Prefill(prompt));
        }

        foreach (int depth in depths)
        {
            cancellation.ThrowIfCancellationRequested();
            tell(string.Create(CultureInfo.InvariantCulture, $"Writing behind {depth:N0} tokens…"));
            figures.AddRange(bench.Decode(depth, synthetic));
        }

        double share = (Environment.CpuUsage.TotalTime - used) / Stopwatch.GetElapsedTime(begin) / Math.Min(threads, Environment.ProcessorCount);
        figures.Add(new BenchFigure("conditions", "processor time of the model", threads, share, "of 1", 1, 1));
        Write(parsed, target, new BenchReport(target, effort, threads, synthetic, figures), figures);
        return ExitCode.Success;
    }

    // In exact all formats, in fast the one that it changes, whatever the model is measured in.
    private static List<BenchFigure> Products(int threads, MachineRates limits, BenchEffort effort, Action<string> tell, CancellationToken cancellation)
    {
        var figures = new List<BenchFigure>();
        using CpuDevice exact = new(threads), fast = new(threads, NumericMode.Fast);
        foreach (WeightFormat format in Enum.GetValues<WeightFormat>())
        {
            cancellation.ThrowIfCancellationRequested();
            tell($"Multiplying {format} matrices…");
            figures.AddRange(MachineBench.Products(exact, format, limits, effort));
        }

        figures.AddRange(MachineBench.Products(fast, WeightFormat.Fp4, limits, effort));
        return figures;
    }

    private void Write(ParseResult parsed, BenchTarget target, BenchReport report, IReadOnlyList<BenchFigure> figures)
    {
        if (parsed.GetValue(_csv) is { } csv)
            File.WriteAllText(Place(csv, target.FileName + ".csv"), BenchFigure.Csv(figures));
        if (parsed.GetValue(_picture) is { } picture)
            File.WriteAllText(Place(picture, target.FileName + ".svg"), BenchPicture.Draw(figures, report.Title), Encoding.UTF8);
        if (parsed.GetValue(_json))
            JsonOutput.Write(report.WriteJson);
        else
            report.WriteText(Console.Out, parsed.GetValue(_profile));
    }

    private BenchTarget Target(ParseResult parsed)
    {
        string shape = parsed.GetValue(_shape)!;                                          // has a default
        (int? layers, int? experts, string? format) = (parsed.GetValue(_layers), parsed.GetValue(_experts), parsed.GetValue(_format));
        ModelConfig? full = shape switch
        {
            "flash" => KnownModels.Flash,
            "pro" => KnownModels.Pro,
            "nano" => ModelFiles.ReadConfig(Arguments.BundledModel).Config,
            _ => null,
        };
        if (full is null)
        {
            if (!Path.Exists(shape))
                throw new UsageException($"--shape: expected flash, pro, nano or a model folder, found '{shape}', which does not exist.");
            if (layers is not null || experts is not null || format is not null)
                throw new UsageException($"--layers, --experts and --format shape a synthetic model; '{shape}' is measured as it is. Leave them out.");
            if (parsed.GetValue(_packed) is not null)
                throw new UsageException($"--packed keeps a synthetic model; '{shape}' is measured as it is. Pack it with fathom quantize.");
            return BenchTarget.OfFolder(shape);
        }

        int count = experts ?? Math.Min(SyntheticModel.ExpertCount, full.ExpertCount);
        if (count < full.ExpertsPerToken || count > full.ExpertCount)
            throw new UsageException($"--experts: expected {full.ExpertsPerToken}, which a token uses, to {full.ExpertCount}, which {shape} has, found {count}.");
        return BenchTarget.Synthetic(shape, full, layers ?? SyntheticModel.LayerCount, count, format == "bf16" ? SyntheticFormat.Bf16 : SyntheticFormat.Official, parsed.GetValue(_packed));
    }

    private static string Place(string path, string name) => Directory.Exists(path) ? Path.Combine(path, name) : path;

    private static int[] Numbers(string option, string text) =>
        [.. text.Split(',', StringSplitOptions.TrimEntries).Select(part =>
            int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > 0
                ? number
                : throw new UsageException($"{option}: expected numbers of 1 or more with commas between, found '{part}'."))];
}
