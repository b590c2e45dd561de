using System.CommandLine;

namespace Fathom.Cli;

/// <summary><c>fathom eval</c>: measures how good a model is.</summary>
internal static class EvalCommand
{
    public static Command Create() => new CommandWithExample("eval", "Measures how good a model is.", "fathom eval lm --text heldout.txt")
    {
        EvalLmCommand.Create(),
        EvalNeedleCommand.Create(),
        EvalQaCommand.Create(),
        EvalDraftCommand.Create(),
    };
}
