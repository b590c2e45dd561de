using System.CommandLine;
using Fathom.Devices;
using Fathom.Engine;
using Fathom.Prompts;
using Spectre.Console;

namespace Fathom.Cli;

/// <summary><c>fathom chat</c>: a conversation in the terminal.</summary>
internal static class ChatCommand
{
    private const int DefaultMaxTokens = 2048;
    private const float DefaultTemperature = 1;
    private const float DefaultTopP = 1;

    public static Command Create()
    {
        var system = new Option<string?>("--system") { Description = "A text in front of the conversation.", HelpName = "TEXT" };
        var think = new Option<bool>("--think") { Description = "Let the model think before it answers." };
        Option<string?> model = Arguments.Model();
        Option<int> threads = Arguments.Threads();
        Option<NumericMode> numeric = Arguments.Numeric();
        Option<bool> quiet = Arguments.Quiet();
        var generation = new GenerationArguments(DefaultMaxTokens, DefaultTemperature, DefaultTopP);
        var command = new CommandWithExample(
            "chat",
            "A conversation in the terminal. One line is one message; thinking is shown dimmed; /help lists the commands.",
            "fathom chat --think --system \"Answer in one sentence.\"")
        {
            system, think, model, threads, numeric, quiet,
        };
        generation.AddTo(command);
        command.SetAction((parsed, cancellation) => Task.Run(
            () =>
            {
                SamplingOptions sampling = generation.Sampling(parsed);
                using ModelSession session = ModelSession.Open(
                    parsed.GetValue(model) ?? Arguments.BundledModel, parsed.GetValue(threads), parsed.GetValue(numeric), generation.AllowUnused(parsed));
                using var chat = new ChatSession(
                    session.Model, session.Device, session.Tokenizer, generation.Context(parsed, session.Model), generation.Speculative(parsed));
                chat.Thinking = parsed.GetValue(think) ? ThinkingMode.Thinking : ThinkingMode.Chat;
                if (parsed.GetValue(system) is { } text)
                    chat.SetSystem(text);
                new Terminal(chat, sampling, generation.MaxTokens(parsed), parsed.GetValue(quiet)).Run(cancellation);
                return ExitCode.Success;
            },
            cancellation));
        return command;
    }

    private sealed class Terminal(ChatSession chat, SamplingOptions sampling, int maxTokens, bool quiet)
    {
        private int _turns;

        public void Run(CancellationToken cancellation)
        {
            if (!quiet)
                AnsiConsole.MarkupLineInterpolated($"[dim]Seed {sampling.Seed}. /help lists the commands, /quit or end of input leaves.[/]");
            while (Read() is { } line)
            {
                if (line.StartsWith('/'))
                {
                    if (!Obey(line))
                        return;
                }
                else if (line.Length > 0)
                {
                    Answer(line, cancellation);
                }
            }
        }

        private static string? Read()
        {
            if (!Console.IsInputRedirected)
                AnsiConsole.Markup("[bold]> [/]");
            return Console.In.ReadLine()?.Trim();
        }

        private bool Obey(string line)
        {
            (string name, string rest) = line.Split(' ', 2) is [var first, var second] ? (first, second.Trim()) : (line, "");
            switch (name)
            {
                case "/quit":
                    return false;
                case "/new":
                    chat.Clear();
                    break;
                case "/think" when rest is "on" or "off":
                    chat.Thinking = rest == "on" ? ThinkingMode.Thinking : ThinkingMode.Chat;
                    break;
                case "/system":
                    chat.SetSystem(rest);
                    break;
                case "/help":
                    AnsiConsole.WriteLine("/new              forget the conversation");
                    AnsiConsole.WriteLine("/system TEXT      begin anew with a text in front");
                    AnsiConsole.WriteLine("/think on|off     let the model think before it answers");
                    AnsiConsole.WriteLine("/quit             leave");
                    break;
                default:
                    Console.Error.WriteLine($"Expected a command, found '{line}'. /help lists them.");
                    break;
            }
            return true;
        }

        // The seed moves on with the turns: the same seed gives the same conversation, not the same sentence again and again.
        private void Answer(string line, CancellationToken cancellation)
        {
            SamplingOptions turn = sampling with { Seed = sampling.Seed + (ulong)_turns++ };
            foreach (ReplyEvent reply in chat.Ask(line, turn, maxTokens, cancellation))
            {
                switch (reply)
                {
                    case ReplyEvent.Thinking thinking:
                        AnsiConsole.Write(thinking.Value, new Style(decoration: Decoration.Dim));
                        break;
                    case ReplyEvent.Text text:
                        AnsiConsole.Write(text.Value);
                        break;
                    case ReplyEvent.ToolCalled call:
                        AnsiConsole.WriteLine();
                        AnsiConsole.WriteLine($"[{call.Call.Name} {call.Call.Arguments}]");
                        break;
                    case ReplyEvent.Malformed malformed:
                        Console.Error.WriteLine($"The reply is not well formed: {malformed.Reason}");
                        break;
                }
            }
            AnsiConsole.WriteLine();
            if (!quiet)
                Console.Error.WriteLine($"{Speeds.Line(chat.Stats)}, {chat.TokensReused} of the prompt's tokens kept{(chat.Finish == FinishReason.Stop ? "" : ", cut off")}");
        }
    }
}
