using System.CommandLine;
using System.Globalization;
using System.Text;
using Fathom.Train.Data.Tasks;
using Fathom.Train.Evaluation;

namespace Fathom.Cli;

/// <summary><c>fathom eval needle</c>: asks for facts hidden in prose.</summary>
internal sealed class EvalNeedleCommand
{
    private static readonly Dictionary<string, TaskKind> s_kinds = new()
    {
        ["needle"] = TaskKind.Needle,
        ["passKey"] = TaskKind.PassKey,
        ["severalKeys"] = TaskKind.SeveralKeys,
        ["severalValues"] = TaskKind.SeveralValues,
        ["induction"] = TaskKind.Induction,
        ["variables"] = TaskKind.Variables,
    };

    private static readonly Dictionary<string, EntrySelection> s_selections = new()
    {
        ["learned"] = EntrySelection.Learned,
        ["random"] = EntrySelection.Random,
        ["oracle"] = EntrySelection.Oracle,
        ["recent"] = EntrySelection.Recent,
    };

    private readonly Option<string> _contexts = new("--context")
    {
        Description = "Tokens of haystack, question and answer together; several with commas between.",
        HelpName = "N[,N…]",
        DefaultValueFactory = _ => "2048",
    };

    private readonly Option<string> _kind = new("--kind") { Description = "What is hidden.", HelpName = string.Join('|', s_kinds.Keys), DefaultValueFactory = _ => "needle" };

    private readonly Option<string> _indexer = new("--indexer")
    {
        Description = "What CSA layers see: what their indexer chose; as many random or most recent entries; or the entries of the fact in question "
            + "(while it is asked for) and the indexer's best. Where the context has no more entries than index_topk, all are seen and this changes nothing.",
        HelpName = string.Join('|', s_selections.Keys),
        DefaultValueFactory = _ => "learned",
    };

    private readonly EvalTaskArguments _task = new();
    private readonly Option<bool> _windowOnly = new("--window-only") { Description = "Hide all compressed entries: only sliding windows are left." };
    private readonly Option<string?> _picture = new("--picture") { Description = "Write a heat map of context and depth, SVG.", HelpName = "FILE" };

    private EvalNeedleCommand()
    {
        _kind.AcceptOnlyFromAmong([.. s_kinds.Keys]);
        _indexer.AcceptOnlyFromAmong([.. s_selections.Keys]);
    }

    public static Command Create()
    {
        var own = new EvalNeedleCommand();
        var command = new CommandWithExample(
            "needle",
            "Facts hidden in prose, asked for one by one, each on its own copy of the context: exact match of the greedy answer. Up to 28 keys are "
            + "asked for among up to 100 decoys of the same wording, as many as fit half of the context; none stands in the first or last sliding "
            + "window (or sixteenth of a short context).",
            "fathom eval needle --context 2048,16384 --samples 8 --seed 1")
        {
            own._contexts, own._kind, own._indexer, own._windowOnly, own._picture,
        };
        own._task.AddTo(command);
        command.SetAction((parsed, cancellation) => Task.Run(() => own.Run(parsed, cancellation), cancellation));
        return command;
    }

    private int Run(ParseResult parsed, CancellationToken cancellation)
    {
        int[] contexts = Contexts(parsed.GetValue(_contexts)!);                           // has a default
        EntrySelection selection = s_selections[parsed.GetValue(_indexer)!];              // has a default
        if (parsed.GetValue(_windowOnly))
        {
            if (selection != EntrySelection.Learned)
                throw new UsageException("--window-only hides what --indexer chooses; expected one of the two, found both.");
            selection = EntrySelection.None;
        }

        string text = _task.Prose(parsed);
        SelectionDevice? device = null;
        using ModelSession session = _task.Open(parsed, inner => device = new SelectionDevice(inner, selection));
        var evaluation = new NeedleEvaluation(session.Model, device!, session.Tokenizer, text, _task.SplitOf(parsed));   // made while opening
        TaskKind kind = s_kinds[parsed.GetValue(_kind)!];                                 // has a default
        var results = new List<NeedleResult>();
        foreach (int context in contexts)
        {
            int samples = _task.Samples(parsed);
            var progress = new ReadingProgress((int)Math.Min(int.MaxValue, (long)context * samples), _task.IsQuiet(parsed));
            results.Add(evaluation.Run(kind, context, _task.Seed(parsed), samples, progress.Report, cancellation));
            progress.End();
        }

        var report = new NeedleReport(results, kind, s_kinds.First(pair => pair.Value == kind).Key, selection, _task.SplitName(parsed), _task.Seed(parsed), _task.Samples(parsed), evaluation.ProseTokens);
        if (parsed.GetValue(_picture) is { } picture)
            File.WriteAllText(picture, NeedlePicture.Draw(results, report.Title), Encoding.UTF8);
        if (_task.IsJson(parsed))
            JsonOutput.Write(report.Write);
        else
            Console.Out.Write(report.Text());
        return ExitCode.Success;
    }

    private static int[] Contexts(string text)
    {
        var contexts = new List<int>();
        foreach (string part in text.Split(',', StringSplitOptions.TrimEntries))
        {
            if (!int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int context) || context < RetrievalTask.HaystackLeast)
                throw new UsageException($"--context: expected numbers of {RetrievalTask.HaystackLeast} or more with commas between, found '{part}'.");
            contexts.Add(context);
        }

        return [.. contexts];
    }
}
