using System.CommandLine;
using System.Text;
using Fathom.Devices;
using Fathom.Train.Data.Tasks;

namespace Fathom.Cli;

/// <summary>The options of the evaluations that make their own tasks.</summary>
internal sealed class EvalTaskArguments
{
    private static readonly Dictionary<string, Split> s_splits =
        new() { ["test"] = Split.Test, ["validation"] = Split.Validation, ["training"] = Split.Training };

    private readonly Option<long> _seed = new("--seed") { Description = "Seed of the first sample; the next ones follow.", HelpName = "S", DefaultValueFactory = _ => 1 };
    private readonly Option<int> _samples = new("--samples") { Description = "Samples: texts with all their questions.", HelpName = "K", DefaultValueFactory = _ => 4 };

    private readonly Option<string> _split = new("--split")
    {
        Description = "Whose wordings and names: the test's; validation's, to choose between models by; or those the bundled model was trained on.",
        HelpName = string.Join('|', s_splits.Keys),
        DefaultValueFactory = _ => "test",
    };

    private readonly Option<string?> _text = new("--text")
    {
        Description = "Prose to hide facts in, best what the model was not trained on; repeated where it is too short. Default: the bundled model's held-out text.",
        HelpName = "FILE",
    };

    private readonly Option<bool> _allowUnused = new("--allow-unused") { Description = "Accept a checkpoint with tensors that the model does not use." };
    private readonly Option<string?> _model = Arguments.Model();
    private readonly Option<int> _threads = Arguments.Threads();
    private readonly Option<NumericMode> _numeric = Arguments.Numeric();
    private readonly Option<bool> _json = Arguments.Json();
    private readonly Option<bool> _quiet = Arguments.Quiet();

    public EvalTaskArguments()
    {
        _seed.Validators.Add(result => Arguments.InRange(result, 0, long.MaxValue));
        _split.AcceptOnlyFromAmong([.. s_splits.Keys]);
        _samples.Validators.Add(result => Arguments.InRange(result, 1, 100_000));
    }

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _seed, _samples, _split, _text, _model, _threads, _numeric, _json, _quiet, _allowUnused })
            command.Add(option);
    }

    public ulong Seed(ParseResult parsed) => (ulong)parsed.GetValue(_seed);

    public int Samples(ParseResult parsed) => parsed.GetValue(_samples);

    public string SplitName(ParseResult parsed) => parsed.GetValue(_split)!;              // has a default

    public Split SplitOf(ParseResult parsed) => s_splits[SplitName(parsed)];

    public bool IsJson(ParseResult parsed) => parsed.GetValue(_json);

    public bool IsQuiet(ParseResult parsed) => parsed.GetValue(_quiet);

    public string Prose(ParseResult parsed) =>
        Encoding.UTF8.GetString(TextInput.Read(parsed.GetValue(_text) ?? Path.Combine(Arguments.BundledModel, "heldout.txt")));

    public ModelSession Open(ParseResult parsed, Func<Device, Device>? decorate = null) =>
        ModelSession.Open(
            parsed.GetValue(_model) ?? Arguments.BundledModel, parsed.GetValue(_threads), parsed.GetValue(_numeric), parsed.GetValue(_allowUnused), decorate);
}
