using System.Runtime.CompilerServices;
using Fathom.Serving;
using Microsoft.Extensions.AI;

namespace Fathom.Extensions.AI;

/// <summary>
/// A model in this process as a chat client. May be used from any thread, for any number of requests at once. The engine belongs to the caller.
/// </summary>
/// <remarks>
/// <para>The model thinks before it answers unless <see cref="ReasoningOptions.Effort"/> is <see cref="ReasoningEffort.None"/>; while it thinks, temperature
/// and top-p have no effect. Reasoning need not be sent back: the engine remembers turns as they were written.</para>
/// <para>A format of JSON, and calls of a function whose <see cref="AITool.AdditionalProperties"/> has "strict": true, or that must be called, hold to their
/// schemas token by token. What of a schema cannot be enforced is refused, as is JSON beside functions.</para>
/// <para>Options without effect are listed in the response's additional property <see cref="Ignored"/>. Refused are images and other data, tools that are no
/// functions, and conversations stored elsewhere.</para>
/// <para>The first update comes when the request has memory, and while a long prompt is read an update without contents comes now and then:
/// <see cref="ChatResponseUpdate.RawRepresentation"/> is the engine's <see cref="GenerationEvent"/>.</para>
/// </remarks>
public sealed class FathomChatClient : IChatClient
{
    /// <summary>Additional property of a response: an array of the names of options that had no effect. Absent if all had.</summary>
    public const string Ignored = "fathom.ignored";

    /// <summary>
    /// Additional property of a response: the number of earlier turns that were read without the reasoning they had. Absent if there were none.
    /// </summary>
    public const string TurnsWithoutReasoning = "fathom.turns_without_reasoning";

    private const string Provider = "fathom";

    private readonly ServingEngine _engine;
    private readonly ChatClientMetadata _metadata;

    /// <summary>A client of an engine.</summary>
    public FathomChatClient(ServingEngine engine)
    {
        ArgumentNullException.ThrowIfNull(engine);
        _engine = engine;
        _metadata = new ChatClientMetadata(Provider, providerUri: null, engine.ModelName);
    }

    /// <summary>The whole response: the updates of <see cref="GetStreamingResponseAsync"/>, put together.</summary>
    /// <inheritdoc cref="GetStreamingResponseAsync" path="/exception"/>
    public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <summary>The response while it is written. To leave the enumeration is to cancel: the engine notices within a step.</summary>
    /// <exception cref="GenerationException">the request is refused, or the reply broke off</exception>
    /// <exception cref="OperationCanceledException">the request was cancelled</exception>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ChatRequest request = ChatRequest.Read(messages, options, _engine);
        var updates = new ChatUpdates(request, _engine.ModelName);
        await foreach (GenerationEvent next in _engine.Generate(request.Request, cancellationToken).ConfigureAwait(false))
        {
            if (updates.Of(next) is { } update)
            {
                yield return update;
            }
        }
    }

    /// <summary>The engine, the client's metadata, or the client itself.</summary>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
        {
            return null;
        }
        return serviceType == typeof(ChatClientMetadata) ? _metadata
            : serviceType == typeof(ServingEngine) ? _engine
            : serviceType.IsInstanceOfType(this) ? this : null;
    }

    /// <summary>Nothing: the engine belongs to the caller.</summary>
    public void Dispose()
    {
    }
}
