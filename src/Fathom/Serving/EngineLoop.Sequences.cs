using System.Diagnostics;
using Fathom.Cache;
using Fathom.Engine;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Serving;

internal sealed partial class EngineLoop
{
    // Shorter beginnings are cheaper to compute than to keep.
    private const int KeptTokensMin = 32;

    // What a disk must have more than memory, so that reading files is worth it.
    private const int StoreGainMin = 256;

    private const int StoresMax = 64;

    /// <summary>Starts as many waiting requests as memory holds, those of the least served holder first.</summary>
    private void Admit()
    {
        while (_waiting.Count > 0)
        {
            ServedSequence next = _waiting[0];
            foreach (ServedSequence sequence in _waiting)
            {
                if (_share.Served(sequence.Request.Holder) < _share.Served(next.Request.Holder))
                {
                    next = sequence;
                }
            }
            // No other one passes by: it would be passed by for ever.
            if (_running.Count > 0 && !Fits(next))
            {
                return;
            }
            _waiting.Remove(next);
            Begin(next);
        }
    }

    private bool Fits(ServedSequence next)
    {
        var counted = new HashSet<Storage>();
        return _running.Sum(sequence => sequence.Work!.Cache.CountBytes(counted)) + _running.Sum(Growth) + Need(next.TokensMax) <= _options.MemoryBytes;
    }

    /// <summary>Bytes of a sequence of so many tokens, and of what is needed to draw its tokens.</summary>
    public long Need(int tokens) => _model.Transformer.Layout.StateBytes + DrawBytes + (Blocks(tokens) * _model.Transformer.Layout.BlockBytes);

    // Sampler and logits.
    private long DrawBytes => _model.Config.VocabularySize * (long)(sizeof(double) + sizeof(int) + sizeof(double) + sizeof(float));

    private static long Blocks(int tokens) => ((long)tokens + CacheLayout.BlockTokens - 1) / CacheLayout.BlockTokens;

    private long Growth(ServedSequence sequence)
    {
        SequenceCache cache = sequence.Work!.Cache;                                       // running ones have work
        long blocks = Math.Max(0, Blocks(sequence.TokensMax) - cache.BlockCount) + (cache.SharesLastBlock ? 1 : 0);
        return DrawBytes + (blocks * _model.Transformer.Layout.BlockBytes);
    }

    /// <summary>Gives up kept sequences until those at work have room to grow.</summary>
    private void MakeRoom() => _kept.Fit(_options.MemoryBytes - _running.Sum(Growth));

    private void Begin(ServedSequence sequence)
    {
        try
        {
            Start(sequence);
        }
        catch (OutOfMemoryException e)
        {
            Fail(sequence, FaultKind.TooLarge, MemoryIsFull(e));
        }
        catch (Exception e)
        {
            Fail(sequence, FaultKind.Internal, e.Message);                                // its own fault or a defect: the others go on
        }
    }

    private void Start(ServedSequence sequence)
    {
        int[] tokens = sequence.Prompt.Tokens;
        var logits = new float[_model.Config.VocabularySize];
        var sampler = new Sampler(sequence.Request.Sampling, _model.Config.VocabularySize);
        sampler.Force(sequence.Script);
        SequenceCache? past = _kept.Find(sequence.Request.Tenant, tokens, out int common);
        SequenceCache cache = Restored(sequence, past?.Length ?? 0, logits, out int storedTokens) ?? past?.Fork() ?? _model.Transformer.NewSequence(_usage);
        sequence.Work = new SequenceWork
        {
            Cache = cache,
            Sampler = sampler,
            Reply = new ReplyWriter(_tokenizer, sequence.Prompt, sequence.Request.StopStrings, sequence.Events.Writer),
            // What a script says needs no rule.
            ReasoningRule = sequence.Script.Length > 0 ? null : _rules.OfReasoning(sequence),
            Logits = logits,
            CachedTokens = cache.Length,
            StoredTokens = storedTokens,
            Checkpoints = Checkpoints(sequence.Prompt, cache.Length, common),
        };
        _running.Add(sequence);
        Volatile.Write(ref _promptTokens, _promptTokens + tokens.Length);
        Volatile.Write(ref _cachedTokens, _cachedTokens + cache.Length);
        MakeRoom();
        sequence.Events.Writer.TryWrite(new GenerationEvent.Accepted(tokens.Length, cache.Length) { TurnsWithoutReasoning = sequence.Prompt.TurnsWithoutReasoning });
        if (cache.Length == tokens.Length)
        {
            Draw(sequence);                                                               // the store had the logits too
        }
    }

    private static string MemoryIsFull(OutOfMemoryException e) => $"The machine's memory is full: {e.Message} Lower --memory, so that requests wait instead.";

    // Behind system text and tools, where the text parts from others, every so many tokens of a long text for the disk, and before the last token: a sequence
    // that ends there serves the same prompt again, and a next turn whose marker for thinking is another.
    private int[] Checkpoints(EncodedPrompt prompt, int cached, int common)
    {
        var places = new SortedSet<int> { prompt.Tokens.Length - 1 };
        foreach (int place in new[] { prompt.SharedTokens, common })
        {
            if (place >= KeptTokensMin && place < prompt.Tokens.Length - 1)
            {
                places.Add(place);
            }
        }
        if (_options.OpenStore is not null)
        {
            for (int place = Generator.CheckpointTokens; place < prompt.Tokens.Length; place += Generator.CheckpointTokens)
            {
                places.Add(place);
            }
        }
        return [.. places.Where(place => place > cached)];
    }

    private SequenceCache? Restored(ServedSequence sequence, int inMemory, float[] logits, out int storedTokens)
    {
        storedTokens = 0;
        if (sequence.Prompt.Tokens.Length < inMemory + StoreGainMin || Store(sequence.Request.Tenant) is not { } store)
        {
            return null;
        }
        storedTokens = store.Find(sequence.Prompt.Tokens);
        if (storedTokens < inMemory + StoreGainMin)
        {
            return null;
        }
        SequenceCache restored = _model.Transformer.NewSequence(_usage);
        try
        {
            if (store.Restore(sequence.Prompt.Tokens, restored, logits) > inMemory)
            {
                return restored;
            }
        }
        catch (OutOfMemoryException)
        {
            restored.Dispose();
            throw;
        }
        restored.Dispose();
        return null;
    }

    private PrefixStore? Store(string tenant)
    {
        if (_options.OpenStore is null)
        {
            return null;
        }
        if (!_stores.TryGetValue(tenant, out PrefixStore? store))
        {
            if (_stores.Count == StoresMax)
            {
                _stores.Clear();                                                          // they hold listings only and are opened again
            }
            _stores[tenant] = store = _options.OpenStore(tenant);
        }
        return store;
    }

    /// <summary>After a step: what was read is kept where it should be, and sequences whose logits are there draw.</summary>
    private void Advance()
    {
        for (int i = 0; i < _stepping.Count; i++)
        {
            ServedSequence sequence = _stepping[i];
            SequenceWork work = sequence.Work!;                                           // stepping ones have work
            int count = _batch.Slices[i].Count;
            if (work.Pending != SequenceCache.None)
            {
                work.Pending = SequenceCache.None;
                _share.Charge(sequence.Request.Holder, read: 0, written: 1);
                Draw(sequence);
                continue;
            }
            _share.Charge(sequence.Request.Holder, count, written: 0);
            Read(sequence, work);
        }
    }

    private void Read(ServedSequence sequence, SequenceWork work)
    {
        int total = sequence.Prompt.Tokens.Length, done = work.Cache.Length;
        if (work.IsAtCheckpoint)
        {
            Keep(sequence, work);
        }
        if (done == total)
        {
            Draw(sequence);
            return;
        }
        double perToken = Stopwatch.GetElapsedTime(work.Begin).TotalSeconds / (done - work.CachedTokens);
        sequence.Events.Writer.TryWrite(new GenerationEvent.Reading(done, total, TimeSpan.FromSeconds(perToken * (total - done))));
    }

    /// <summary>Keeps a copy of the sequence in memory, and on the disk if it was dear.</summary>
    private void Keep(ServedSequence sequence, SequenceWork work)
    {
        if (work.Cache.Length >= KeptTokensMin)
        {
            try
            {
                _kept.Add(sequence.Request.Tenant, work.Cache.Fork());
            }
            catch (OutOfMemoryException)
            {
                _kept.Clear();                                                          // room for those at work
            }
            MakeRoom();
        }
        Save(sequence, work);
    }

    // What it would take to compute again decides, not what it took: tokens that were written one by one are read much faster.
    private void Save(ServedSequence sequence, SequenceWork work)
    {
        if (IsDear(work, more: 0) && Store(sequence.Request.Tenant) is { } store)
        {
            store.Save(work.Cache, work.Logits);
            work.StoredTokens = work.Cache.Length;
        }
    }

    private bool IsDear(SequenceWork work, int more)
    {
        int unstored = work.Cache.Length + more - work.StoredTokens;
        return unstored > 0 && _options.OpenStore is not null && unstored * _pace.SecondsPerRead >= _options.StoreWorthwhile.TotalSeconds;
    }
}
