using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Fathom.Cli;

/// <summary>A command whose help ends with a line to copy.</summary>
internal sealed class CommandWithExample(string name, string description, string example) : Command(name, description)
{
    /// <summary>The root's help option, which serves all commands below it.</summary>
    public static HelpOption Help()
    {
        var option = new HelpOption();
        option.Action = new HelpThenExample(option.Action!);     // a help option is made with its action
        return option;
    }

    private string Example { get; } = example;

    private sealed class HelpThenExample(CommandLineAction help) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            int result = ((SynchronousCommandLineAction)help).Invoke(parseResult);
            if (parseResult.CommandResult.Command is CommandWithExample command)
                parseResult.InvocationConfiguration.Output.WriteLine($"Example:\n  {command.Example}");
            return result;
        }
    }
}
