using System.Diagnostics;
using System.Runtime.InteropServices;
using Fathom.Model;
using Fathom.Prompts;
using Fathom.Tensors;

namespace Fathom.Serving;

internal sealed partial class EngineLoop
{
    // Between two looks at the memory that sequences take.
    private static readonly TimeSpan s_publishTime = TimeSpan.FromSeconds(1);

    private ServingLoad _load = new(0, 0, 0, 0, 0);
    private long _published;
    private long _promptTokens;
    private long _cachedTokens;
    private long _writtenTokens;
    private long _stepTicks;                                    // of the stopwatch
    private long _forwardTicks;

    /// <summary>What the engine is at. May be read from any thread.</summary>
    public ServingLoad Load
    {
        get
        {
            ServingLoad load = Volatile.Read(ref _load);
            return load with
            {
                Waiting = Math.Max(0, Count - load.Running),                              // with those that the loop has not seen yet
                PromptTokens = Volatile.Read(ref _promptTokens),
                CachedTokens = Volatile.Read(ref _cachedTokens),
                WrittenTokens = Volatile.Read(ref _writtenTokens),
                StepTime = Stopwatch.GetElapsedTime(0, Volatile.Read(ref _stepTicks)),
                ForwardTime = Stopwatch.GetElapsedTime(0, Volatile.Read(ref _forwardTicks)),
            };
        }
    }

    private void Publish(bool isLast)
    {
        if (!isLast && _load.Running == _running.Count && Stopwatch.GetElapsedTime(_published) < s_publishTime)
        {
            return;
        }
        _published = Stopwatch.GetTimestamp();
        var load = new ServingLoad(_running.Count, _waiting.Count, _running.Count(sequence => sequence.IsHeld), _kept.Count, _usage.Bytes);
        Volatile.Write(ref _load, load);
    }

    /// <summary>
    /// Before the end: prompts that were dear to read so far go to the disk. That needs the logits behind their last token, so one more token of each is read.
    /// </summary>
    private void SaveReaders()
    {
        foreach (ServedSequence sequence in _running.ToList())
        {
            if (sequence.Work is { Pending: SequenceCache.None } work && work.Cache.Length < sequence.Prompt.Tokens.Length && IsDear(work, more: 1))
            {
                try
                {
                    SaveReader(sequence, work);
                }
                catch (Exception e)
                {
                    // The disk or the model's file: the others are saved, and the request ends as it would have.
                    Fail(sequence, FaultKind.Internal, e.Message);
                }
            }
        }
    }

    private void SaveReader(ServedSequence sequence, SequenceWork work)
    {
        _batch.Clear();
        _stepping.Clear();
        if (!TryAdd(sequence, sequence.Prompt.Tokens.AsSpan(work.Cache.Length, 1), logits: true))
        {
            return;
        }
        Tensor logits = _model.Transformer.Forward(_batch);
        _device.Download(logits.Row(0), MemoryMarshal.AsBytes(work.Logits.AsSpan()));
        Save(sequence, work);
    }

    /// <summary>Ends a request: what it has computed is kept, the turn goes to the ledger, the caller is told.</summary>
    private void End(ServedSequence sequence, EndReason reason)
    {
        (TokenUsage usage, GenerationTimes times) = (Usage(sequence), Times(sequence));
        string? stop = sequence.Work?.Reply.StopString;
        if (sequence.Work is { } work)
        {
            Reply reply = work.Reply.Complete(stopped: reason == EndReason.Stop);
            if (reason == EndReason.Stop && reply.ToolCalls.Count > 0)
            {
                reason = EndReason.ToolCalls;
            }
            // Behind a stop string the client has seen less than was written.
            if (reason is not (EndReason.Cancelled or EndReason.StopString) && sequence.Prompt.Visible is { } before)
            {
                var transcript = new Transcript([.. work.Written], sequence.Prompt.Reply == ThinkingMode.Thinking, reply);
                _ledger.Add(sequence.Request.Tenant, before, transcript);
            }
        }
        Remove(sequence, keep: true);
        sequence.Events.Writer.TryWrite(new GenerationEvent.Finished(reason, usage) { StopString = stop, Times = times });
        sequence.Events.Writer.TryComplete();
    }

    private void Fail(ServedSequence sequence, FaultKind kind, string message)
    {
        (TokenUsage usage, GenerationTimes times) = (Usage(sequence), Times(sequence));
        Remove(sequence, keep: false);
        sequence.Events.Writer.TryWrite(new GenerationEvent.Failed(kind, message) { Usage = usage, Times = times });
        sequence.Events.Writer.TryComplete();
    }

    private void FailAll(Exception e)
    {
        foreach (ServedSequence sequence in _running.ToList())
        {
            Fail(sequence, FaultKind.Internal, $"The forward pass failed: {e.Message} Try again; if it goes on, lower --memory or look at the disk "
                + $"that the model is on.");
        }
        _kept.Clear();
    }

    private void Remove(ServedSequence sequence, bool keep)
    {
        _waiting.Remove(sequence);
        _running.Remove(sequence);
        _share.Leave(sequence.Request.Holder);
        Interlocked.Decrement(ref _count);
        if (sequence.Work is not { } work)
        {
            return;
        }
        sequence.Work = null;
        if (!keep || work.Cache.Length < KeptTokensMin)
        {
            work.Dispose();
            return;
        }
        if (work.Cache.Length >= sequence.Prompt.Tokens.Length || work.IsAtCheckpoint)
        {
            Save(sequence, work);
        }
        _kept.Add(sequence.Request.Tenant, work.Cache);
        MakeRoom();
    }

    private static TokenUsage Usage(ServedSequence sequence) => sequence.Work is { } work
        ? new TokenUsage(sequence.Prompt.Tokens.Length, work.CachedTokens, work.Reply.ReasoningTokens, work.Written.Count)
        : new TokenUsage(sequence.Prompt.Tokens.Length, 0, 0, 0);

    private static GenerationTimes Times(ServedSequence sequence)
    {
        if (sequence.Work is not { } work)
        {
            return new GenerationTimes(Stopwatch.GetElapsedTime(sequence.Arrival), TimeSpan.Zero, TimeSpan.Zero);
        }
        long now = Stopwatch.GetTimestamp(), first = work.FirstDraw == 0 ? now : work.FirstDraw;
        return new GenerationTimes(
            Stopwatch.GetElapsedTime(sequence.Arrival, work.Begin), Stopwatch.GetElapsedTime(work.Begin, first), Stopwatch.GetElapsedTime(first, now));
    }
}
