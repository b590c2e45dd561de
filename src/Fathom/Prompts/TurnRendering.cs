namespace Fathom.Prompts;

/// <summary>Renders turns that are joined and sorted. What a turn looks like depends on its neighbours and on the last user turn.</summary>
internal sealed class TurnRendering(IReadOnlyList<PromptTurn> turns, bool thinks, bool drops, PromptWriter output)
{
    private readonly int _last = PromptTurns.LastAwaitingAnswer(turns);

    /// <summary>One turn and, where the model or a task speaks next, the marker after it.</summary>
    public void Render(int index)
    {
        PromptTurn turn = turns[index];
        output.Message = turn.Index;
        if (turn.IsUser)
            RenderUser(turn);
        else
            RenderMessage(index, turn.Message);
        if (index + 1 == turns.Count || turns[index + 1].Message is Message.Assistant or Message.LatestReminder)
            RenderTransition(index, turn);
    }

    private void RenderUser(PromptTurn turn)
    {
        output.Token(ProtocolTokens.User);
        for (int i = 0; i < turn.Blocks.Count; i++)
        {
            (Message message, output.Message) = turn.Blocks[i];
            if (i > 0)
                output.Protocol("\n\n");
            if (message is Message.ToolResult result)
            {
                output.Protocol(ProtocolTexts.ToolResultOpen);
                RenderContent(result.Content, allowUnsupported: true);
                output.Protocol(ProtocolTexts.ToolResultClose);
            }
            else
            {
                RenderContent(((Message.User)message).Content);
            }
        }
    }

    private void RenderMessage(int index, Message message)
    {
        switch (message)
        {
            case Message.System system:
                RenderContent(system.Content);
                ToolCallText.WriteTools(output, system.Tools);
                ToolCallText.WriteResponseFormat(output, system.ResponseFormat);
                break;
            case Message.Developer developer:
                output.Token(ProtocolTokens.User);
                RequireText(developer.Content);
                RenderContent(developer.Content);
                ToolCallText.WriteTools(output, developer.Tools);
                ToolCallText.WriteResponseFormat(output, developer.ResponseFormat);
                break;
            case Message.LatestReminder reminder:
                output.Token(ProtocolTokens.LatestReminder);
                RenderContent(reminder.Content);
                break;
            case Message.Assistant assistant:
                RenderAssistant(index, assistant);
                break;
        }
    }

    private void RenderAssistant(int index, Message.Assistant assistant)
    {
        bool answersTask = index > 0 && turns[index - 1].Task is not null;
        if (thinks && !answersTask && (!drops || index > _last))
        {
            // The opening marker stands at the end of the turn before.
            output.Content(assistant.Reasoning);
            output.Token(ProtocolTokens.ThinkClose);
        }
        RenderContent(assistant.Content);
        ToolCallText.WriteCalls(output, assistant.ToolCalls);
        if (!assistant.LeaveOpen)
            output.Token(ProtocolTokens.EndOfSentence);
    }

    private void RenderTransition(int index, PromptTurn turn)
    {
        if (turn.Task is QuickTask task)
        {
            if (task == QuickTask.Action)
            {
                output.Token(ProtocolTokens.Assistant);
                output.Token(thinks ? ProtocolTokens.ThinkOpen : ProtocolTokens.ThinkClose);
            }
            output.Token(TokenOf(task));
        }
        else if (turn.AwaitsAnswer)
        {
            output.Token(ProtocolTokens.Assistant);
            output.Token(thinks && (!drops || index >= _last) ? ProtocolTokens.ThinkOpen : ProtocolTokens.ThinkClose);
        }
    }

    private static string TokenOf(QuickTask task) => task switch
    {
        QuickTask.Action => ProtocolTokens.ActionTask,
        QuickTask.Query => ProtocolTokens.QueryTask,
        QuickTask.Authority => ProtocolTokens.AuthorityTask,
        QuickTask.Domain => ProtocolTokens.DomainTask,
        QuickTask.Title => ProtocolTokens.TitleTask,
        QuickTask.ReadUrl => ProtocolTokens.ReadUrlTask,
        _ => throw new ArgumentOutOfRangeException(nameof(task), task, "expected one of the named quick instructions"),
    };

    private void RenderContent(MessageContent content, bool allowUnsupported = false)
    {
        for (int i = 0; i < content.Parts.Count; i++)
        {
            if (i > 0)
                output.Protocol("\n\n");
            output.Content(content.Parts[i] switch
            {
                ContentPart.Text text => text.Value,
                ContentPart.Unsupported part when allowUnsupported => $"[Unsupported {part.Kind}]",
                ContentPart.Unsupported part => throw new PromptException(
                    $"{output.Where}, part {i}: expected text, found {part.Kind}; this model reads text only. Remove the part or describe it in words."),
                _ => throw new ArgumentOutOfRangeException(nameof(content), "expected text or an unsupported part"),
            });
        }
    }

    private void RequireText(MessageContent content)
    {
        if (!content.Parts.Any(part => part is not ContentPart.Text { Value.Length: 0 }))
            throw new PromptException($"{output.Where}: expected text in a developer message, found none; leave the message out.");
    }
}
