using System.CommandLine;
using System.CommandLine.Invocation;
using Fathom.Checkpoints;
using Fathom.Engine;
using Fathom.Model;
using Fathom.Prompts;
using Fathom.Train;
using Fathom.Train.Runs;

namespace Fathom.Cli;

/// <summary>The one executable: finds the command, runs it, and turns whatever happens into an exit code.</summary>
internal static class Program
{
    /// <summary>Every command; a new one is a file and a line here.</summary>
    private static readonly Func<Command>[] s_commands =
    [
        RunCommand.Create,
        ChatCommand.Create,
        ServeCommand.Create,
        EvalCommand.Create,
        VerifyCommand.Create,
        TokenizeCommand.Create,
        InspectCommand.Create,
        PlanCommand.Create,
        PrefillCommand.Create,
        CacheCommand.Create,
        QuantizeCommand.Create,
        BenchCommand.Create,
        TrainCommand.Create,
    ];

    private static async Task<int> Main(string[] args)
    {
        var root = new CommandWithExample("fathom", "Runs DeepSeek-V4 language models on this machine.", "fathom run \"And it came to pass\"")
        {
            CommandWithExample.Help(),
            new VersionOption(),
        };
        foreach (Func<Command> create in s_commands)
            root.Add(create());

        ParseResult parsed = root.Parse(args);
        if (parsed.Action is ParseErrorAction)
            return WrongUsage(parsed.CommandResult.Command, parsed.Errors.Select(e => e.Message));

        try
        {
            var invocation = new InvocationConfiguration { EnableDefaultExceptionHandler = false };
            if (parsed.CommandResult.Command.Name == ServeCommand.Name)
                invocation.ProcessTerminationTimeout = ServeCommand.EndingTime;
            return await parsed.InvokeAsync(invocation).ConfigureAwait(false);
        }
        catch (UsageException e)
        {
            return WrongUsage(parsed.CommandResult.Command, [e.Message]);
        }
        catch (OperationCanceledException)
        {
            return Failed("Stopped.");
        }
        catch (Exception e) when (e is ModelConfigException or CheckpointException or RequestException or PromptException or RunException or TrainingStateException or InvalidDataException or IOException or UnauthorizedAccessException)
        {
            return Failed(e.Message);
        }
        catch (Exception e)
        {
            return Failed($"This is a defect of Fathom. Please report it with the lines below and the command that led to it.\n{e}");
        }
    }

    private static int WrongUsage(Command command, IEnumerable<string> messages)
    {
        foreach (string message in messages)
            Console.Error.WriteLine(message);
        string path = string.Join(' ', Ancestors(command).Reverse().Select(c => c.Name));
        Console.Error.WriteLine($"See '{path} --help'.");
        return ExitCode.WrongUsage;
    }

    private static int Failed(string message)
    {
        Console.Error.WriteLine(message);
        return ExitCode.Failed;
    }

    private static IEnumerable<Command> Ancestors(Command command)
    {
        for (Command? c = command; c is not null; c = c.Parents.OfType<Command>().FirstOrDefault())
            yield return c;
    }
}
