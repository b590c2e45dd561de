using Fathom.Prompts;

namespace Fathom.Serving;

/// <summary>
/// Remembers turns as the model wrote them, so that a client need not send reasoning back and the next prompt continues the very tokens that are cached. Turns
/// with calls are found by the calls' ids, all by what the client sees of the conversation up to them. The turns that were not used for the longest time are
/// forgotten first. May be called from any thread.
/// </summary>
internal sealed class TurnLedger(long bytesMax)
{
    private const long KeyBytes = 128;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, LinkedListNode<Entry>> _byKey = new(StringComparer.Ordinal);
    private readonly LinkedList<Entry> _byUse = new();

    private sealed record Entry(Transcript Transcript, string[] Keys)
    {
        public long Bytes => Transcript.Bytes + (Keys.Length * KeyBytes);
    }

    /// <summary>Bytes of all turns, about.</summary>
    public long Bytes { get; private set; }

    /// <summary>Remembers a turn.</summary>
    /// <param name="tenant">whose it is</param> <param name="before">hash of the conversation in front of it</param> <param name="transcript">the turn</param>
    public void Add(string tenant, string before, Transcript transcript)
    {
        string[] keys =
        [
            VisibleText.Turn(before, transcript.Reply.Content, transcript.Reply.ToolCalls),
            .. transcript.Reply.ToolCalls.Select(call => KeyOf(tenant, call.Id!)),             // calls of a transcript have ids
        ];
        lock (_lock)
        {
            var entry = new Entry(transcript, keys);
            LinkedListNode<Entry> node = _byUse.AddFirst(entry);
            Bytes += entry.Bytes;
            foreach (string key in keys)
            {
                _byKey[key] = node;
            }
            while (Bytes > bytesMax && _byUse.Last is { } last)
            {
                Forget(last);
            }
        }
    }

    /// <summary>The turn that a client's message repeats; null if it is unknown or the client has changed it.</summary>
    /// <param name="tenant">whose conversation</param>
    /// <param name="before">hash of what stands before the message</param>
    /// <param name="message">as the client sent it</param>
    public Transcript? Find(string tenant, string before, Message.Assistant message)
    {
        lock (_lock)
        {
            foreach (ToolCall call in message.ToolCalls)
            {
                if (call.Id is { } id && Look(KeyOf(tenant, id), message) is { } byCall)
                {
                    return byCall;
                }
            }
            return Look(VisibleText.Turn(before, VisibleText.Of(message.Content), message.ToolCalls), message);
        }
    }

    private Transcript? Look(string key, Message.Assistant message)
    {
        if (!_byKey.TryGetValue(key, out LinkedListNode<Entry>? node) || !node.Value.Transcript.IsOf(message))
        {
            return null;
        }
        _byUse.Remove(node);
        _byUse.AddFirst(node);
        return node.Value.Transcript;
    }

    private void Forget(LinkedListNode<Entry> node)
    {
        _byUse.Remove(node);
        Bytes -= node.Value.Bytes;
        foreach (string key in node.Value.Keys)
        {
            // A later turn may have taken the key.
            if (_byKey.TryGetValue(key, out LinkedListNode<Entry>? owner) && owner == node)
            {
                _byKey.Remove(key);
            }
        }
    }

    private static string KeyOf(string tenant, string callId) => $"{tenant.Length}:{tenant}{callId}";
}
