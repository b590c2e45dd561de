using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Threading.Channels;
using Fathom.Cache;
using Fathom.Devices;
using Fathom.Engine;
using Fathom.Model;
using Fathom.Tensors;
using Fathom.Text;

namespace Fathom.Serving;

/// <summary>
/// The one thread that owns the device, the model and all sequences. Each step is one forward pass: the next token of every sequence that writes, then pieces
/// of prompts, as many as the step's time allows. How requests share steps never shows in their tokens.
/// </summary>
internal sealed partial class EngineLoop : IDisposable
{
    // Holders with the same service are told apart by name, so that the requests of one stand together.
    private static readonly Comparison<ServedSequence> s_byService = (one, other) =>
    {
        int order = one.Rank.Served.CompareTo(other.Rank.Served);
        order = order != 0 ? order : string.CompareOrdinal(one.Request.Holder, other.Request.Holder);
        // Of one holder, who has waited longest since its last token: more sequences than a step takes go in turns.
        order = order != 0 ? order : one.LastStep.CompareTo(other.LastStep);
        return order != 0 ? order : one.Rank.Place.CompareTo(other.Rank.Place);
    };

    private readonly LanguageModel _model;
    private readonly Device _device;
    private readonly Tokenizer _tokenizer;
    private readonly ServingOptions _options;
    private readonly TurnLedger _ledger;
    private readonly ReplyRules _rules;
    private readonly Channel<ServedSequence?> _arrivals = Channel.CreateUnbounded<ServedSequence?>(new UnboundedChannelOptions { SingleReader = true });
    private readonly List<ServedSequence> _waiting = [];
    private readonly List<ServedSequence> _running = [];
    private readonly FairShare _share = new();
    private readonly CacheUsage _usage = new();                 // of those at work and those kept
    private readonly KeptSequences _kept;
    private readonly Dictionary<string, PrefixStore> _stores = new(StringComparer.Ordinal);
    private readonly Batch _batch;
    private readonly StepPace _pace;
    private readonly Thread _thread;
    private readonly List<ServedSequence> _order = [];          // of a step: all at work, those to serve first in front
    private readonly List<ServedSequence> _readers = [];        // those that read
    private readonly List<ServedSequence> _stepping = [];       // those in the batch
    private readonly int[] _single = new int[1];
    private int _reading;                                       // of those in the batch, how many read
    private long _steps;
    private int _count;
    private volatile bool _stops;

    public EngineLoop(LanguageModel model, Device device, Tokenizer tokenizer, ServingOptions options, TurnLedger ledger, ReplyRules rules)
    {
        (_model, _device, _tokenizer, _options, _ledger, _rules) = (model, device, tokenizer, options, ledger, rules);
        _kept = new KeptSequences(TimeProvider.System, _usage);
        _batch = new Batch(model.Transformer.MaxRows);
        _pace = new StepPace(options.StepTime);
        _thread = new Thread(Run) { Name = "Fathom engine", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Requests that wait or run. May be read from any thread.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Hands a request over. May be called from any thread.</summary>
    /// <returns>false if too many wait, or the engine stops</returns>
    public bool TrySubmit(ServedSequence sequence)
    {
        if (Interlocked.Increment(ref _count) <= _options.MaxRunning + _options.MaxWaiting && _arrivals.Writer.TryWrite(sequence))
        {
            return true;
        }
        Interlocked.Decrement(ref _count);
        return false;
    }

    /// <summary>Makes the loop look again, after a caller has left. May be called from any thread.</summary>
    public void Wake() => _arrivals.Writer.TryWrite(null);

    /// <summary>Ends all requests where they are and waits for the thread.</summary>
    public void Dispose()
    {
        _arrivals.Writer.TryComplete();
        _questions.Writer.TryComplete();
        _stops = true;
        _thread.Join();
    }

    private void Run()
    {
        if (_options.WarmsUp)
        {
            WarmUp();
        }
        while (!_stops)
        {
            long begin = Stopwatch.GetTimestamp();
            TakeArrivals();
            AnswerQuestions();
            DropCancelled();
            Admit();
            if (CanStep())
            {
                Publish(isLast: false);
                TryStep();
                Volatile.Write(ref _stepTicks, _stepTicks + Stopwatch.GetTimestamp() - begin);
                continue;
            }
            Publish(isLast: true);
            // The thread has nothing else to do: it waits here.
            _arrivals.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult();
        }
        TakeArrivals();
        SaveReaders();
        foreach (ServedSequence sequence in _running.Concat(_waiting).ToList())
        {
            End(sequence, EndReason.Cancelled);
        }
        DropQuestions();
        _kept.Clear();
    }

    // Whoever does not read what is written is waited for, and the others go on.
    private bool CanStep()
    {
        bool any = false;
        foreach (ServedSequence sequence in _running)
        {
            any |= !sequence.Hold();
        }
        return any;
    }

    private void TakeArrivals()
    {
        while (_arrivals.Reader.TryRead(out ServedSequence? sequence))
        {
            if (sequence is not null)
            {
                _share.Arrive(sequence.Request.Holder);
                _waiting.Add(sequence);
            }
        }
    }

    private void DropCancelled()
    {
        for (int i = _waiting.Count - 1; i >= 0; i--)
        {
            if (_waiting[i].IsCancelled)
            {
                End(_waiting[i], EndReason.Cancelled);
            }
        }
        for (int i = _running.Count - 1; i >= 0; i--)
        {
            if (_running[i].IsCancelled)
            {
                End(_running[i], EndReason.Cancelled);
            }
        }
    }

    private void TryStep()
    {
        try
        {
            Step();
        }
        catch (Exception e)
        {
            // Of a mapped model's file, of scratch memory, or a defect: what was half computed is given up, and the next requests begin anew.
            FailAll(e);
        }
    }

    private void Step()
    {
        Fill();
        if (_batch.Rows == 0)
        {
            return;
        }
        long begin = Stopwatch.GetTimestamp();
        _steps++;
        foreach (ServedSequence sequence in _stepping)
        {
            sequence.LastStep = _steps;
        }
        int written = _batch.Slices.Count - _reading;
        Tensor logits = _model.Transformer.Forward(_batch);
        for (int i = 0, row = 0; i < _stepping.Count; i++)
        {
            if (_batch.Slices[i].LogitCount > 0)
            {
                _device.Download(logits.Row(row++), MemoryMarshal.AsBytes(_stepping[i].Work!.Logits.AsSpan()));         // a stepping sequence has work
            }
        }
        long took = Stopwatch.GetTimestamp() - begin;
        Volatile.Write(ref _forwardTicks, _forwardTicks + took);
        _pace.Took(Stopwatch.GetElapsedTime(0, took), written, _batch.Rows - written);
        Advance();
    }

    /// <summary>The step's rows: writers first, readers behind.</summary>
    private void Fill()
    {
        _batch.Clear();
        _stepping.Clear();
        _reading = 0;
        // Least served first; among equals in order of arrival, which is the list's.
        _order.Clear();
        for (int i = 0; i < _running.Count; i++)
        {
            _running[i].Rank = (_share.Served(_running[i].Request.Holder), i);
            _order.Add(_running[i]);
        }
        _order.Sort(s_byService);
        foreach (ServedSequence sequence in _order)
        {
            if (!sequence.IsHeld && sequence.Work is { Pending: not SequenceCache.None } work && _stepping.Count < _options.MaxRunning && _batch.Rows < _batch.MaxRows)
            {
                _single[0] = work.Pending;
                TryAdd(sequence, _single, logits: true);
            }
        }
        FillPrompts(Math.Min(_pace.PromptRows(_batch.Rows), _batch.MaxRows - _batch.Rows));
    }

    // Every holder with prompts to read gets the same number of rows, and what one leaves goes to the next; so do the prompts of a holder.
    private void FillPrompts(int rows)
    {
        _readers.Clear();
        foreach (ServedSequence sequence in _order)
        {
            if (!sequence.IsHeld && sequence.Work is { Pending: SequenceCache.None } work && work.Cache.Length < sequence.Prompt.Tokens.Length)
            {
                _readers.Add(sequence);
            }
        }
        for (int first = 0; first < _readers.Count && rows > 0;)
        {
            string holder = _readers[first].Request.Holder;
            int end = first + 1, holders = 1;
            while (end < _readers.Count && _readers[end].Request.Holder == holder)
            {
                end++;
            }
            for (int i = end; i < _readers.Count; i++)
            {
                holders += _readers[i].Request.Holder == _readers[i - 1].Request.Holder ? 0 : 1;
            }
            int own = (rows + holders - 1) / holders;
            for (int i = first; i < end && own > 0; i++)
            {
                int share = (own + end - i - 1) / (end - i);
                SequenceWork work = _readers[i].Work!;                                    // readers have work
                int[] tokens = _readers[i].Prompt.Tokens;
                int count = Math.Min(share, work.NextStop(tokens.Length) - work.Cache.Length);
                // The logits of a checkpoint go to the disk with it; those of the prompt's end are drawn from.
                bool stops = work.Cache.Length + count == work.NextStop(tokens.Length);
                if (TryAdd(_readers[i], tokens.AsSpan(work.Cache.Length, count), stops))
                {
                    _reading++;
                    own -= count;
                    rows -= count;
                }
            }
            first = end;
        }
    }

    /// <summary>Adds rows to the batch. A sequence that finds no memory ends here, and the others go on.</summary>
    private bool TryAdd(ServedSequence sequence, ReadOnlySpan<int> tokens, bool logits)
    {
        SequenceCache cache = sequence.Work!.Cache;                                       // only sequences with work are added
        try
        {
            cache.Reserve(tokens.Length);
        }
        catch (OutOfMemoryException e)
        {
            Fail(sequence, FaultKind.TooLarge, MemoryIsFull(e));
            return false;
        }
        _batch.Add(cache, tokens, logits ? 1 : 0);
        _stepping.Add(sequence);
        return true;
    }
}
