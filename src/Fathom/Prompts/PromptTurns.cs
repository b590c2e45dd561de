namespace Fathom.Prompts;

/// <summary>A turn as it is rendered: one message, or several user messages and tool results joined.</summary>
/// <param name="Message">The message; for a joined turn its first one.</param>
/// <param name="Index">Index of that message in its list.</param>
/// <param name="Task">The quick instruction after the turn, if any.</param>
internal sealed record PromptTurn(Message Message, int Index, QuickTask? Task)
{
    /// <summary>The blocks of a user turn: user messages and tool results with their indices. Empty for all other turns.</summary>
    public List<(Message Message, int Index)> Blocks { get; init; } = [];

    /// <summary>A user turn, from a person or from tools.</summary>
    public bool IsUser => Blocks.Count > 0;

    /// <summary>A turn the model answers: it decides which reasoning is old.</summary>
    public bool AwaitsAnswer => IsUser || Message is Message.Developer;
}

/// <summary>What DeepSeek's encoder does to the messages before it renders them.</summary>
internal static class PromptTurns
{
    /// <summary>
    /// Joins tool results and user messages into user turns: there is no tool role in the prompt. A user message does not join a turn
    /// that has a quick instruction; a tool result does.
    /// </summary>
    public static List<PromptTurn> Join(IReadOnlyList<Message> messages)
    {
        var turns = new List<PromptTurn>();
        for (int i = 0; i < messages.Count; i++)
        {
            Message message = messages[i];
            PromptTurn? last = turns.Count > 0 ? turns[^1] : null;
            switch (message)
            {
                case Message.ToolResult when last is { IsUser: true }:
                case Message.User when last is { IsUser: true, Task: null }:
                    last.Blocks.Add((message, i));
                    break;
                case Message.ToolResult:
                    turns.Add(new PromptTurn(message, i, Task: null) { Blocks = [(message, i)] });
                    break;
                case Message.User:
                    turns.Add(new PromptTurn(message, i, message.Task) { Blocks = [(message, i)] });
                    break;
                default:
                    turns.Add(new PromptTurn(message, i, message.Task));
                    break;
            }
        }
        return turns;
    }

    /// <summary>Puts the tool results of each user turn into the order of the latest calls before it; user texts keep their places.</summary>
    public static void SortToolResults(IEnumerable<PromptTurn> turns)
    {
        var order = new Dictionary<string, int>();
        foreach (PromptTurn turn in turns)
        {
            if (turn.Message is Message.Assistant { ToolCalls.Count: > 0 } assistant)
                order = OrderOf(assistant.ToolCalls);
            else if (order.Count > 0)
                Sort(turn.Blocks, order);
        }
    }

    /// <summary>Leaves out developer turns before the last user turn; the reasoning before it goes when the turns are rendered.</summary>
    public static List<PromptTurn> DropOld(IReadOnlyList<PromptTurn> turns)
    {
        int last = LastAwaitingAnswer(turns);
        return [.. turns.Where((turn, i) => IsKept(turn, i, last))];
    }

    /// <summary>How many of the first turns <see cref="DropOld"/> keeps.</summary>
    public static int CountKept(IReadOnlyList<PromptTurn> turns, int first)
    {
        int last = LastAwaitingAnswer(turns);
        return turns.Take(first).Where((turn, i) => IsKept(turn, i, last)).Count();
    }

    private static bool IsKept(PromptTurn turn, int index, int last) => index >= last || turn.Message is not Message.Developer;

    /// <summary>Index of the last user or developer turn; -1 if there is none.</summary>
    public static int LastAwaitingAnswer(IReadOnlyList<PromptTurn> turns)
    {
        int i = turns.Count - 1;
        while (i >= 0 && !turns[i].AwaitsAnswer)
            i--;
        return i;
    }

    private static Dictionary<string, int> OrderOf(IReadOnlyList<ToolCall> calls)
    {
        var order = new Dictionary<string, int>();
        for (int i = 0; i < calls.Count; i++)
        {
            if (!string.IsNullOrEmpty(calls[i].Id))
                order[calls[i].Id!] = i;                // just tested; the analyser does not see through the indexer
        }
        return order;
    }

    private static void Sort(List<(Message Message, int Index)> blocks, Dictionary<string, int> order)
    {
        // OrderBy is stable, as Python's sorted: results of unknown calls share place 0 with the first call's and keep their order.
        var sorted = new Queue<(Message Message, int Index)>(blocks
            .Where(block => block.Message is Message.ToolResult)
            .OrderBy(block => order.GetValueOrDefault(((Message.ToolResult)block.Message).CallId ?? "")));
        for (int i = 0; i < blocks.Count; i++)
        {
            if (blocks[i].Message is Message.ToolResult)
                blocks[i] = sorted.Dequeue();
        }
    }
}
