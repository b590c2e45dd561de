using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Fathom.Train.Data.Tasks;
using Fathom.Train.Evaluation;

namespace Fathom.Cli;

/// <summary><c>fathom eval qa</c>: questions about contracts, answered by quotation.</summary>
internal sealed class EvalQaCommand
{
    private readonly Option<int> _context = new("--context")
    {
        Description = "Tokens of the text with a question and its answer, about.",
        HelpName = "N",
        DefaultValueFactory = _ => 2048,
    };

    private readonly Option<bool> _constrained = new("--constrained") { Description = "Only answers that are held to the words of the text." };
    private readonly Option<bool> _freeOnly = new("--free-only") { Description = "Only free answers." };
    private readonly EvalTaskArguments _task = new();

    private EvalQaCommand() => _context.Validators.Add(result => Arguments.InRange(result, ContractTask.ReadingLeast, int.MaxValue));

    public static Command Create()
    {
        var own = new EvalQaCommand();
        var command = new CommandWithExample(
            "qa",
            "Questions about contracts in the chat format, each apart; the answer is a quotation. Greedy, both free and held to the words of the "
            + "text. exactMatch: the answer letter by letter, without blanks around it, apart for texts of one contract and of several; quoted: what was said stands in the text.",
            "fathom eval qa --context 4096 --samples 8 --seed 1")
        {
            own._context, own._constrained, own._freeOnly,
        };
        own._task.AddTo(command);
        command.SetAction((parsed, cancellation) => Task.Run(() => own.Run(parsed, cancellation), cancellation));
        return command;
    }

    private int Run(ParseResult parsed, CancellationToken cancellation)
    {
        bool onlyConstrained = parsed.GetValue(_constrained), onlyFree = parsed.GetValue(_freeOnly);
        if (onlyConstrained && onlyFree)
            throw new UsageException("--constrained and --free-only leave nothing to ask: expected at most one of them, found both.");
        string text = _task.Prose(parsed);
        using ModelSession session = _task.Open(parsed);
        var evaluation = new QuotationEvaluation(session.Model, session.Device, session.Tokenizer, text, _task.SplitOf(parsed));
        var results = new List<(string Name, IReadOnlyList<QuotedAnswer> Answers)>();
        foreach (bool constrained in new[] { false, true })
        {
            if (constrained ? onlyFree : onlyConstrained)
                continue;
            int context = parsed.GetValue(_context), samples = _task.Samples(parsed);
            var progress = new ReadingProgress((int)Math.Min(int.MaxValue, (long)context * samples), _task.IsQuiet(parsed));
            results.Add((constrained ? "constrained" : "free", evaluation.Run(context, _task.Seed(parsed), samples, constrained, progress.Report, cancellation)));
            progress.End();
        }

        if (_task.IsJson(parsed))
            JsonOutput.Write(json => Write(json, results, parsed));
        else
            Print(results);
        return ExitCode.Success;
    }

    private static void Print(List<(string Name, IReadOnlyList<QuotedAnswer> Answers)> results)
    {
        foreach ((string name, IReadOnlyList<QuotedAnswer> answers) in results)
        {
            Print(name, "exact match", Exact(answers));
            Print(name, "  one contract", Exact(One(answers)));
            Print(name, "  several", Exact(Several(answers)));
            Print(name, "quoted", Quoted(answers));
        }
    }

    private static void Print(string name, string figure, Proportion proportion) =>
        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-11}  {figure,-14}  {ProportionText.Of(proportion)}"));

    // The figures of free answers stand first where there are any: they are the model's own.
    private void Write(Utf8JsonWriter json, List<(string Name, IReadOnlyList<QuotedAnswer> Answers)> results, ParseResult parsed)
    {
        json.WriteNumber("exactMatch", Exact(results[0].Answers).Share);
        json.WriteNumber("quoted", Quoted(results[0].Answers).Share);
        json.WriteNumber("n", results[0].Answers.Count);
        json.WriteNumber("context", parsed.GetValue(_context));
        json.WriteNumber("seed", _task.Seed(parsed));
        json.WriteNumber("samples", _task.Samples(parsed));
        json.WriteString("split", _task.SplitName(parsed));
        foreach ((string name, IReadOnlyList<QuotedAnswer> answers) in results)
        {
            json.WriteStartObject(name);
            json.WriteNumber("n", answers.Count);
            Write(json, "exactMatch", Exact(answers));
            Write(json, "exactMatchOneContract", Exact(One(answers)));
            Write(json, "exactMatchSeveral", Exact(Several(answers)));
            Write(json, "quoted", Quoted(answers));
            json.WriteEndObject();
        }
    }

    private static void Write(Utf8JsonWriter json, string name, Proportion proportion)
    {
        json.WriteStartObject(name);
        json.WriteNumber("share", proportion.Share);
        ProportionText.WriteConfidence(json, proportion);
        json.WriteEndObject();
    }

    private static QuotedAnswer[] One(IReadOnlyList<QuotedAnswer> answers) => [.. answers.Where(answer => answer.Contracts == 1)];

    private static QuotedAnswer[] Several(IReadOnlyList<QuotedAnswer> answers) => [.. answers.Where(answer => answer.Contracts > 1)];

    private static Proportion Exact(IReadOnlyList<QuotedAnswer> answers) => Proportion.Of(answers, answer => answer.IsExact);

    private static Proportion Quoted(IReadOnlyList<QuotedAnswer> answers) => Proportion.Of(answers, answer => answer.IsQuoted);
}
