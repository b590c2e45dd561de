using System.Text.Json;
using Fathom.Serving;

namespace Fathom.Server.Anthropic;

/// <summary>The events of a streamed reply: one block open at a time, the signature last in a block of thinking.</summary>
/// <param name="stream">to add to</param> <param name="request">that is answered</param> <param name="head">of the reply</param>
internal sealed class MessageEvents(EventStream stream, MessagesRequest request, ReplyHead head)
{
    private bool _hasBegun;

    /// <summary>The message begins; its prompt is counted.</summary>
    public void Begin(TokenUsage usage)
    {
        _hasBegun = true;
        Add("message_start", json =>
        {
            json.WriteStartObject("message");
            AnthropicJson.WriteHead(json, head);
            json.WriteStartArray("content");
            json.WriteEndArray();
            AnthropicJson.WriteStop(json, finished: null);
            AnthropicJson.WriteUsage(json, usage, request.MarksCache);
            json.WriteEndObject();
        });
    }

    /// <summary>A sign of life. Until tokens are counted there is no message, and clients want it before anything else.</summary>
    public void Live()
    {
        if (_hasBegun)
        {
            Add("ping", _ => { });
        }
        else
        {
            stream.Add(EventStream.Comment);
        }
    }

    /// <summary>A block begins.</summary>
    public void Open(MessageBlock block) => Add("content_block_start", json =>
    {
        json.WriteNumber("index", block.Index);
        json.WriteStartObject("content_block");
        AnthropicJson.WriteBlock(json, block, begins: true, request.HidesThinking);
        json.WriteEndObject();
    });

    /// <summary>More of the open block.</summary>
    public void Delta(MessageBlock block, string piece)
    {
        if (block.Kind != BlockKind.Thinking || !request.HidesThinking)
        {
            Delta(block, block.Kind switch
            {
                BlockKind.Thinking => ("thinking_delta", "thinking"),
                BlockKind.Text => ("text_delta", "text"),
                _ => ("input_json_delta", "partial_json"),
            }, piece);
        }
    }

    /// <summary>The open block ends.</summary>
    public void Close(MessageBlock block)
    {
        if (block.Kind == BlockKind.Thinking)
        {
            Delta(block, ("signature_delta", "signature"), ThinkingSignature.Of(block.Text.ToString()));
        }
        Add("content_block_stop", json => json.WriteNumber("index", block.Index));
    }

    /// <summary>The message ends.</summary>
    public void End(GenerationEvent.Finished finished)
    {
        Add("message_delta", json =>
        {
            json.WriteStartObject("delta");
            AnthropicJson.WriteStop(json, finished);
            json.WriteEndObject();
            AnthropicJson.WriteUsage(json, finished.Usage, request.MarksCache);
        });
        Add("message_stop", _ => { });
    }

    /// <summary>The message breaks off.</summary>
    public void Fail(RequestError error) => stream.Add("error", json => AnthropicErrors.Write(json, error));

    private void Delta(MessageBlock block, (string Type, string Member) kind, string piece) => Add("content_block_delta", json =>
    {
        json.WriteNumber("index", block.Index);
        json.WriteStartObject("delta");
        json.WriteString("type", kind.Type);
        json.WriteString(kind.Member, piece);
        json.WriteEndObject();
    });

    private void Add(string type, Action<Utf8JsonWriter> members) => stream.Add(type, json =>
    {
        json.WriteString("type", type);
        members(json);
    });
}
