using System.Globalization;
using System.Text;
using System.Text.Json;
using Fathom.Serving;
using Microsoft.Extensions.AI;

namespace Fathom.Extensions.AI;

/// <summary>The updates of one reply, from its events.</summary>
internal sealed class ChatUpdates(ChatRequest request, string model)
{
    private readonly string _id = Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture);
    private readonly DateTimeOffset _created = DateTimeOffset.UtcNow;
    private readonly StringBuilder _arguments = new();
    private GenerationEvent.CallStarted? _call;

    /// <summary>What an event says; null for nothing yet.</summary>
    /// <exception cref="GenerationException">the request is refused, or the reply broke off</exception>
    public ChatResponseUpdate? Of(GenerationEvent next)
    {
        switch (next)
        {
            case GenerationEvent.Accepted accepted:
                ChatResponseUpdate first = Update(next);
                first.AdditionalProperties = Properties(accepted);
                return first;
            case GenerationEvent.Reading:
                return Update(next);
            case GenerationEvent.Reasoning reasoning when !request.HidesReasoning:
                return Update(next, new TextReasoningContent(reasoning.Text));
            case GenerationEvent.Answer answer:
                return Update(next, new TextContent(answer.Text));
            case GenerationEvent.CallStarted started:
                _call = started;
                _arguments.Clear();
                return null;
            case GenerationEvent.CallArguments arguments:
                _arguments.Append(arguments.Json);
                return null;
            case GenerationEvent.CallEnded ended when ended.Index == 0 || !request.OneCall:
                return Update(next, Call());
            case GenerationEvent.Finished finished:
                return End(finished);
            case GenerationEvent.Failed failed:
                throw new GenerationException(failed.Kind, failed.Message);
            default:
                return null;
        }
    }

    private ChatResponseUpdate Update(GenerationEvent next, params IList<AIContent> contents) => new(ChatRole.Assistant, contents)
    {
        ResponseId = _id,
        MessageId = _id,
        ModelId = model,
        CreatedAt = _created,
        RawRepresentation = next,
    };

    private AdditionalPropertiesDictionary? Properties(GenerationEvent.Accepted accepted)
    {
        var properties = new AdditionalPropertiesDictionary();
        if (request.Ignored.Count > 0)
        {
            properties[FathomChatClient.Ignored] = request.Ignored.ToArray();
        }
        if (accepted.TurnsWithoutReasoning > 0)
        {
            properties[FathomChatClient.TurnsWithoutReasoning] = accepted.TurnsWithoutReasoning;
        }
        return properties.Count > 0 ? properties : null;
    }

    // The pieces of a complete call make one object; what the model itself declared to be JSON in it may be none.
    private FunctionCallContent Call() => FunctionCallContent.CreateFromParsedArguments(
        _arguments.ToString(), _call!.Id, _call.Name,                                     // a call that ends has begun
        static json => JsonElement.Parse(json).EnumerateObject().ToDictionary(pair => pair.Name, object? (pair) => pair.Value));

    private ChatResponseUpdate End(GenerationEvent.Finished finished)
    {
        if (finished.Reason == EndReason.Cancelled)
        {
            throw new GenerationException(FaultKind.Busy, "The engine stops, and the reply is not complete. Send the request again when one runs.");
        }
        TokenUsage usage = finished.Usage;
        ChatResponseUpdate last = Update(finished, new UsageContent(new UsageDetails
        {
            InputTokenCount = usage.Prompt,
            OutputTokenCount = usage.Completion,
            TotalTokenCount = usage.Prompt + usage.Completion,
            CachedInputTokenCount = usage.Cached,
            ReasoningTokenCount = usage.Reasoning,
        }));
        last.FinishReason = finished.Reason switch
        {
            EndReason.ToolCalls => ChatFinishReason.ToolCalls,
            // A reply that runs in circles is cut off, as one that is too long.
            EndReason.Length or EndReason.Loop => ChatFinishReason.Length,
            _ => ChatFinishReason.Stop,
        };
        return last;
    }
}
