using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Fathom.Cpu.Kernels;
using Fathom.Tensors;

namespace Fathom.Cpu;

public sealed partial class CpuDevice
{
    // What several threads found for one query: (T, spans, 2 k + 1) words: scores, then indices, then the bar, the k-th best score.
    private readonly Scratch _candidates = new();

    // (T): of each query a bar that a few more than k keys are likely to exceed, and the heads that come first.
    private readonly Scratch _guesses = new();

    /// <inheritdoc/>
    public override void SelectRows(
        in Tensor queries, in Tensor weights, in RowBlocks keys, int ratio, int firstPosition, in Tensor selection)
    {
        // Queries that share a pass over the keys: enough to pay for decoding them, few enough to stay in the cache.
        const int Together = 16;
        // Keys below which a query is not worth another thread and the search among what each of them found.
        const int WorthSplitting = 2048;
        int rows = queries.Rows, visible = (firstPosition + rows) / ratio, k = selection.Columns;
        int group = Math.Min(Together, Math.Max(1, rows / Threads)), groups = (rows + group - 1) / group;
        // Spans for each thread: a late one does less, and later spans pass over what is below the bar of an earlier one.
        const int EachThread = 6;
        int spans = visible > k && groups < Threads ? Math.Clamp(visible / WorthSplitting, 1, EachThread * Threads / groups) : 1;
        int keysEach = (((visible + spans - 1) / spans) + SelectJob.ChunkKeys - 1) / SelectJob.ChunkKeys * SelectJob.ChunkKeys;
        HostStorage? candidates = spans == 1 ? null : _candidates.Storage((long)rows * spans * ((2 * k) + 1) * sizeof(int));
        int seenByAll = (firstPosition + 1) / ratio;
        HostStorage? guesses = KeySample.IsWorthIt(seenByAll, k) ? _guesses.Storage((long)rows * Unsafe.SizeOf<Guess>()) : null;
        if (guesses is not null)
        {
            _pool.Run(groups, 1, new GuessJob(queries, weights, keys, seenByAll, k, group, guesses, _scratch));
        }
        var job = new SelectJob(queries, weights, keys, ratio, firstPosition, selection, group, spans, keysEach, candidates, guesses, _scratch);
        Choose(job, groups, selection, spans, candidates);
        if (guesses is not null && job.FoundTooFew())
        {
            Choose(job.WithoutGuesses(), groups, selection, spans, candidates);
        }
    }

    private void Choose(in SelectJob job, int groups, in Tensor selection, int spans, HostStorage? candidates)
    {
        int rows = selection.Rows, k = selection.Columns;
        for (int i = 0; candidates is not null && i < rows * spans; i++)
        {
            Bar(candidates, i, k) = float.NegativeInfinity;
        }
        _pool.Run(groups * spans, spans > 1 ? 1 : _pool.Chunk(groups, job.WorkOfGroup), job);
        if (candidates is not null)
        {
            _pool.Run(rows, _pool.Chunk(rows, 16L * spans * k), new MergeJob(selection, spans, candidates, _scratch));
        }
    }

    private readonly record struct Guess(float Bar, int FirstHeads);

    private static ref Guess GuessOf(HostStorage guesses, int query) =>
        ref MemoryMarshal.Cast<byte, Guess>(guesses.Span((long)query * Unsafe.SizeOf<Guess>(), Unsafe.SizeOf<Guess>()))[0];

    // Scores and indices that one span of keys has for a query.
    private static Span<int> Candidates(HostStorage candidates, int index, int k) => Words(candidates, index, k)[..(2 * k)];

    // The k-th best score of a span, −∞ until it is known.
    private static ref float Bar(HostStorage candidates, int index, int k) => ref MemoryMarshal.Cast<int, float>(Words(candidates, index, k))[2 * k];

    private static Span<int> Words(HostStorage candidates, int index, int k)
    {
        int bytes = ((2 * k) + 1) * sizeof(int);
        return MemoryMarshal.Cast<byte, int>(candidates.Span((long)index * bytes, bytes));
    }

    // An item is a group of queries.
    private readonly struct GuessJob(
        Tensor queries, Tensor weights, RowBlocks keys, int seen, int k, int group, HostStorage guesses, Scratch[] scratch) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            for (int item = first; item < first + count; item++)
            {
                int query = item * group, inGroup = Math.Min(group, queries.Rows - query);
                var pass = new KeyPass(queries, weights, keys, query, inGroup);
                Span<float> rest = scratch[worker].Floats(pass.FloatsNeeded + (inGroup * KeySample.Keys));
                Span<float> scores = Scratch.Take<float>(ref rest, inGroup * KeySample.Keys);
                pass.Begin(rest);
                KeySample.Score(pass, seen, scores);
                for (int t = 0; t < inGroup; t++)
                {
                    float bar = KeySample.Bar(scores.Slice(t * KeySample.Keys, KeySample.Keys), seen, k);
                    GuessOf(guesses, query + t) = new Guess(bar, pass.FirstHeads(t, seen, bar));
                }
            }
        }
    }

    // An item is a group of queries and a span of keys.
    private readonly struct SelectJob(
        Tensor queries, Tensor weights, RowBlocks keys, int ratio, int firstPosition, Tensor selection, int group, int spans, int keysEach,
        HostStorage? candidates, HostStorage? guesses, Scratch[] scratch) : IRangeJob
    {
        /// <summary>Keys between two looks at the scores.</summary>
        public const int ChunkKeys = 16 * Tile.Width;

        /// <summary>Multiply-adds for a group.</summary>
        public long WorkOfGroup
        {
            get
            {
                int visible = Seen(queries.Rows - 1);
                return group * (visible <= selection.Columns ? visible : (long)visible * queries.Columns);
            }
        }

        /// <summary>The same, but every key may be a candidate.</summary>
        public SelectJob WithoutGuesses() =>
            new(queries, weights, keys, ratio, firstPosition, selection, group, spans, keysEach, candidates, null, scratch);

        /// <summary>Whether a query got fewer keys than there are for it: its bar was too high.</summary>
        public bool FoundTooFew()
        {
            for (int t = 0; t < queries.Rows; t++)
            {
                if (selection.Row(t).Span<int>()[Math.Min(selection.Columns, Seen(t)) - 1] < 0)
                {
                    return true;
                }
            }
            return false;
        }

        public void Run(int first, int count, int worker)
        {
            for (int item = first; item < first + count; item++)
            {
                int query = item / spans * group;
                Select(query, Math.Min(group, queries.Rows - query), item % spans, scratch[worker]);
            }
        }

        private int Seen(int query) => (firstPosition + query + 1) / ratio;

        private void Select(int query, int count, int span, Scratch memory)
        {
            int k = selection.Columns, room = TopK.Capacity * k, seen = Seen(query + count - 1);
            if (spans == 1 && seen <= k)
            {
                // Every visible entry is chosen, unscored.
                for (int t = query; t < query + count; t++)
                {
                    TopK.Run(default, Seen(t), selection.Row(t).Span<int>());
                }
                return;
            }
            var pass = new KeyPass(queries, weights, keys, query, count);
            Span<float> rest = memory.Floats(pass.FloatsNeeded + (count * (ChunkKeys + (2 * room))) + k);
            Span<float> scores = Scratch.Take<float>(ref rest, count * ChunkKeys), keptScores = Scratch.Take<float>(ref rest, count * room);
            Span<int> keptIndices = Scratch.Take<int>(ref rest, count * room), chosen = Scratch.Take<int>(ref rest, k);
            Span<TopK.Kept> kept = stackalloc TopK.Kept[count];
            Span<float> bars = stackalloc float[count];
            Span<int> firstHeads = stackalloc int[count];
            for (int t = 0; t < count; t++)
            {
                kept[t] = Begin(query + t, span);
                firstHeads[t] = guesses is null ? 0 : GuessOf(guesses, query + t).FirstHeads;
            }
            pass.Begin(rest, firstHeads);
            int end = Math.Min(seen, (span + 1) * keysEach);
            for (int first = span * keysEach; first < end; first += ChunkKeys)
            {
                int inChunk = Math.Min(ChunkKeys, end - first);
                for (int t = 0; t < count; t++)
                {
                    bars[t] = kept[t].HasBar ? kept[t].Bar : float.NaN;
                }
                pass.Score(first, inChunk, bars, scores, ChunkKeys);
                for (int t = 0; t < count; t++)
                {
                    int visible = Math.Clamp(Seen(query + t) - first, 0, inChunk);
                    TopK.Add(
                        scores.Slice(t * ChunkKeys, visible), first, ref kept[t], keptScores.Slice(t * room, room), keptIndices.Slice(t * room, room), chosen);
                }
            }
            for (int t = 0; t < count; t++)
            {
                Finish(query + t, span, keptScores.Slice(t * room, kept[t].Count), keptIndices.Slice(t * room, kept[t].Count), chosen);
            }
        }

        // k keys before this span are at least as good as the best bar of the spans before it, and of equals the earlier wins. A guess holds for all spans.
        private TopK.Kept Begin(int query, int span)
        {
            float bar = guesses is null ? float.NegativeInfinity : GuessOf(guesses, query).Bar;
            for (int before = 0; before < span; before++)
            {
                bar = MathF.Max(bar, Volatile.Read(ref Bar(candidates!, (query * spans) + before, selection.Columns)));
            }
            return new TopK.Kept(0, bar, HasBar: !(bar <= float.NegativeInfinity));
        }

        private void Finish(int query, int span, ReadOnlySpan<float> scores, ReadOnlySpan<int> indices, Span<int> chosen)
        {
            if (candidates is null)
            {
                TopK.Finish(scores, indices, selection.Row(query).Span<int>());
                return;
            }
            Span<int> words = Candidates(candidates, (query * spans) + span, chosen.Length);
            Span<float> best = MemoryMarshal.Cast<int, float>(words[..chosen.Length]);
            Span<int> bestIndices = words[chosen.Length..];
            TopK.Run(scores, scores.Length, chosen);
            float bar = float.PositiveInfinity;
            for (int i = 0; i < chosen.Length; i++)
            {
                (best[i], bestIndices[i]) = chosen[i] < 0 ? (float.NegativeInfinity, -1) : (scores[chosen[i]], indices[chosen[i]]);
                bar = MathF.Min(bar, best[i]);
            }
            Volatile.Write(ref Bar(candidates, (query * spans) + span, chosen.Length), bar);
        }
    }

    // The k best of all keys are among the k best of each span; spans ascend, so lower indices stay first.
    private readonly struct MergeJob(Tensor selection, int spans, HostStorage candidates, Scratch[] scratch) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            int k = selection.Columns;
            Span<float> rest = scratch[worker].Floats(2 * spans * k);
            Span<float> scores = Scratch.Take<float>(ref rest, spans * k);
            Span<int> indices = Scratch.Take<int>(ref rest, spans * k);
            for (int t = first; t < first + count; t++)
            {
                int n = 0;
                for (int span = 0; span < spans; span++)
                {
                    Span<int> words = Candidates(candidates, (t * spans) + span, k);
                    int found = words[k..].IndexOf(-1);
                    found = found < 0 ? k : found;
                    MemoryMarshal.Cast<int, float>(words[..found]).CopyTo(scores[n..]);
                    words.Slice(k, found).CopyTo(indices[n..]);
                    n += found;
                }
                TopK.Finish(scores[..n], indices[..n], selection.Row(t).Span<int>());
            }
        }
    }
}
