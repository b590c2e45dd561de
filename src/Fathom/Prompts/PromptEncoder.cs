namespace Fathom.Prompts;

/// <summary>Turns a conversation into the prompt that DeepSeek's own encoder writes, byte for byte. Immutable; safe from any thread.</summary>
public sealed class PromptEncoder
{
    private readonly EncoderRevision _revision;

    /// <summary>An encoder of one published revision.</summary>
    public PromptEncoder(EncoderRevision revision) => _revision = revision;

    /// <summary>Renders the conversation, up to and including the marker after which the model speaks.</summary>
    /// <exception cref="PromptException">
    /// The effort does not exist in this revision; a developer message is empty; arguments are JSON but not an object; a schema is not JSON; a text is not
    /// well-formed Unicode; a part is not text; the prior messages cannot be continued.
    /// </exception>
    public RenderedPrompt Encode(Conversation conversation)
    {
        string effort = EffortText(conversation.Effort);
        List<PromptTurn> prior = PromptTurns.Join(conversation.Prior);
        List<PromptTurn> turns = [.. prior, .. PromptTurns.Join(conversation.Messages)];
        PromptTurns.SortToolResults(turns);

        bool thinks = conversation.Thinking == ThinkingMode.Thinking;
        bool drops = thinks && conversation.DropOldReasoning && !turns.Exists(HasTools);
        int start = prior.Count;
        if (drops)
        {
            start = CountAfterDrop(prior, turns);
            turns = PromptTurns.DropOld(turns);
        }

        var output = new PromptWriter();
        if (conversation.BeginOfSentence && conversation.Prior.Count == 0)
            output.Token(ProtocolTokens.BeginOfSentence);
        if (thinks && start == 0 && turns.Count > 0)
            output.Protocol(effort);
        var rendering = new TurnRendering(turns, thinks, drops, output);
        for (int i = start; i < turns.Count; i++)
            rendering.Render(i);
        return output.ToPrompt();
    }

    /// <summary>
    /// The prompt that asks for the text between a prefix and a suffix, in the order of DeepSeek's older code models; no published text confirms it for V4.
    /// </summary>
    public static RenderedPrompt FillInTheMiddle(string prefix, string suffix, bool beginOfSentence = true)
    {
        var output = new PromptWriter();
        if (beginOfSentence)
            output.Token(ProtocolTokens.BeginOfSentence);
        output.Token(ProtocolTokens.FimBegin);
        output.Content(prefix);
        output.Token(ProtocolTokens.FimHole);
        output.Content(suffix);
        output.Token(ProtocolTokens.FimEnd);
        return output.ToPrompt();
    }

    private string EffortText(ReasoningEffort effort) => (_revision, effort) switch
    {
        (_, ReasoningEffort.Unspecified) => "",
        (EncoderRevision.April, ReasoningEffort.High) => "",
        (EncoderRevision.April, ReasoningEffort.Max) => ProtocolTexts.EffortAbsoluteMaximum,
        (EncoderRevision.July31, ReasoningEffort.Low) => "",
        (EncoderRevision.July31, ReasoningEffort.High) => ProtocolTexts.EffortAbsoluteMaximum,
        (EncoderRevision.July31, ReasoningEffort.Max) => ProtocolTexts.EffortBeyondMaximum,
        _ => throw new PromptException($"reasoning effort: expected high or max for the encoder revision {_revision}, found {effort}; "
            + "leave it out, or use a checkpoint with the July 31 encoder."),
    };

    private static bool HasTools(PromptTurn turn) => turn.Message is Message.System { Tools.Count: > 0 } or Message.Developer { Tools.Count: > 0 };

    /// <summary>How many of the prior turns stay when old ones are dropped.</summary>
    private static int CountAfterDrop(List<PromptTurn> prior, List<PromptTurn> all)
    {
        int alone = PromptTurns.DropOld(prior).Count;
        int together = PromptTurns.CountKept(all, prior.Count);

        // DeepSeek's encoder counts the prior turns alone; where the new ones change what is dropped, it cuts at the wrong turn and loses text.
        return alone == together ? alone : throw new PromptException(
            "prior messages: expected the new messages to leave them as they are, found a developer message that is removed because a later user "
            + "message follows; the cached tokens no longer fit. Encode the whole conversation without prior messages.");
    }
}
