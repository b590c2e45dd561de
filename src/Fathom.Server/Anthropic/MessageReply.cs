using System.Text.Json;
using Fathom.Serving;

namespace Fathom.Server.Anthropic;

/// <summary>A reply in blocks, gathered from its events; where it streams, each step is told at once.</summary>
/// <param name="request">that is answered</param> <param name="head">of the reply</param> <param name="events">told each step; null for a whole reply</param>
internal sealed class MessageReply(MessagesRequest request, ReplyHead head, MessageEvents? events)
{
    private readonly List<MessageBlock> _blocks = [];
    private MessageBlock? _open;
    private GenerationEvent.Finished? _finished;

    /// <summary>What broke on the way; null for nothing.</summary>
    public RequestError? Error { get; private set; }

    /// <summary>Takes an event.</summary>
    public void Add(GenerationEvent next)
    {
        switch (next)
        {
            case GenerationEvent.Accepted accepted:
                events?.Begin(new TokenUsage(accepted.PromptTokens, accepted.CachedTokens, 0, 0));
                break;
            case GenerationEvent.Reasoning reasoning:
                Append(BlockKind.Thinking, reasoning.Text);
                break;
            case GenerationEvent.Answer answer:
                Append(BlockKind.Text, answer.Text);
                break;
            case GenerationEvent.CallStarted call when IsShown(call.Index):
                Open(new MessageBlock(_blocks.Count, BlockKind.ToolUse) { Id = call.Id, Name = call.Name });
                break;
            case GenerationEvent.CallArguments arguments when IsShown(arguments.Index):
                Append(BlockKind.ToolUse, arguments.Json);
                break;
            case GenerationEvent.CallEnded ended when IsShown(ended.Index):
                Close(isWhole: true);
                break;
            case GenerationEvent.Finished or GenerationEvent.Failed:
                End(next);
                break;
        }
    }

    /// <summary>The members of the whole reply.</summary>
    public void Write(Utf8JsonWriter json)
    {
        AnthropicJson.WriteHead(json, head);
        json.WriteStartArray("content");
        foreach (MessageBlock block in _blocks.Where(block => block.IsWhole))
        {
            json.WriteStartObject();
            AnthropicJson.WriteBlock(json, block, begins: false, request.HidesThinking);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        AnthropicJson.WriteStop(json, _finished);
        AnthropicJson.WriteUsage(json, _finished?.Usage ?? default, request.MarksCache);
    }

    private bool IsShown(int call) => call == 0 || !request.OneCall;

    private void Append(BlockKind kind, string piece)
    {
        if (_open?.Kind != kind)
        {
            Open(new MessageBlock(_blocks.Count, kind));
        }
        _open!.Text.Append(piece);                                                        // opened just now, if not before
        events?.Delta(_open, piece);
    }

    private void Open(MessageBlock block)
    {
        Close(isWhole: true);
        _open = block;
        _blocks.Add(block);
        events?.Open(block);
    }

    private void Close(bool isWhole)
    {
        if (_open is { } block)
        {
            _open = null;
            block.IsWhole = isWhole;
            events?.Close(block);
        }
    }

    private void End(GenerationEvent next)
    {
        Error = ReplyFault.Of(next);
        if (Error is not null)
        {
            events?.Fail(Error);
            return;
        }
        Close(isWhole: _open?.Kind != BlockKind.ToolUse);
        _finished = (GenerationEvent.Finished)next;                                       // no fault
        events?.End(_finished);
    }
}
