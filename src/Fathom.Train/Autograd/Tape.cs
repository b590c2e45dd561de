using Fathom.Cpu;

namespace Fathom.Train.Autograd;

/// <summary>
/// Records the operations of a forward pass, each of which knows its own backward pass, and plays them backwards. Sums over rows have a
/// fixed order, so that results are the same for any number of threads. One thread calls it; the pool does the work.
/// </summary>
/// <param name="pool">not owned</param>
internal sealed class Tape(WorkerPool pool)
{
    // Floats, a quarter of a megabyte.
    private const int ZeroedAtOnce = 1 << 16;

    private readonly Arena _arena = new();
    private readonly List<Action> _backward = [];
    private readonly Memory<float>[] _scratch = new Memory<float>[pool.Threads];

    /// <summary>Bytes held for activations and gradients.</summary>
    public long Bytes => _arena.Bytes;

    /// <summary>Whether operations only run forward: variables have no gradient then and nothing is recorded.</summary>
    public bool ForwardOnly { get; set; }

    /// <summary>A variable of this step, its value undefined, its gradient zero.</summary>
    public Variable New(int rows, int columns, bool needsGradient = true) =>
        new(rows, columns, _arena.Take(rows * columns), needsGradient && !ForwardOnly ? TakeZeroed(rows * columns) : default);

    /// <summary>Memory of this step, its content undefined.</summary>
    public Memory<float> Take(int count) => _arena.Take(count);

    /// <summary>Memory of this step, zeroed.</summary>
    public Memory<float> TakeZeroed(int count)
    {
        Memory<float> piece = _arena.Take(count);
        Parallel((count + ZeroedAtOnce - 1) / ZeroedAtOnce, ZeroedAtOnce, (first, end, _) =>
            piece.Span[(first * ZeroedAtOnce)..Math.Min(count, end * ZeroedAtOnce)].Clear());
        return piece;
    }

    /// <summary>Adds the backward pass of an operation that has just run forward.</summary>
    public void Record(Action backward)
    {
        if (!ForwardOnly)
        {
            _backward.Add(backward);
        }
    }

    /// <summary>Runs a part that learns, even where the rest only runs forward.</summary>
    public T Learning<T>(Func<T> part)
    {
        bool kept = ForwardOnly;
        ForwardOnly = false;
        T result = part();
        ForwardOnly = kept;
        return result;
    }

    /// <summary>Plays the tape backwards; parameters and variables then hold their gradients.</summary>
    public void Backward()
    {
        for (int i = _backward.Count - 1; i >= 0; i--)
        {
            _backward[i]();
        }
        _backward.Clear();
    }

    /// <summary>Ends the step: every variable made since the last call is gone.</summary>
    public void Reset()
    {
        _backward.Clear();
        _arena.Reset();
    }

    /// <summary>Does <paramref name="count"/> independent items on all threads.</summary>
    /// <param name="count">number of items</param> <param name="work">multiply-adds of one item, roughly</param>
    /// <param name="body">first item, end, worker</param>
    public void Parallel(int count, long work, Action<int, int, int> body) => pool.Run(count, pool.Chunk(count, work), new RangeJob(body));

    /// <summary>Does <paramref name="count"/> large items one at a time on all threads.</summary>
    public void ParallelLarge(int count, Action<int, int> body) =>
        pool.Run(count, 1, new RangeJob((first, end, worker) =>
        {
            for (int i = first; i < end; i++)
            {
                body(i, worker);
            }
        }));

    /// <summary>Scratch memory of one worker, its content undefined, valid until the worker's next call.</summary>
    public Span<float> Scratch(int worker, int floats)
    {
        if (_scratch[worker].Length < floats)
        {
            _scratch[worker] = Arena.Aligned(floats);
        }
        return _scratch[worker].Span[..floats];
    }

    /// <summary>
    /// target += what all rows contribute: each chunk of rows adds to zeroed memory of its own, and the chunks are added in order, whatever
    /// the number of threads.
    /// </summary>
    /// <param name="rows">number of rows</param> <param name="chunkRows">rows of a chunk</param> <param name="target">where to</param>
    /// <param name="body">first row, end, the chunk's sums, worker</param>
    public void Reduce(int rows, int chunkRows, Memory<float> target, ReduceRows body)
    {
        int chunks = (rows + chunkRows - 1) / chunkRows, width = target.Length;
        Memory<float> partial = TakeZeroed(chunks * width);
        ParallelLarge(chunks, (chunk, worker) =>
        {
            int first = chunk * chunkRows;
            body(first, Math.Min(rows, first + chunkRows), partial.Span.Slice(chunk * width, width), worker);
        });
        for (int chunk = 0; chunk < chunks; chunk++)
        {
            Cpu.Kernels.Rows.Add(partial.Span.Slice(chunk * width, width), target.Span);
        }
    }

    private readonly struct RangeJob(Action<int, int, int> body) : IRangeJob
    {
        public void Run(int first, int count, int worker) => body(first, first + count, worker);
    }
}

/// <summary>Adds what some rows contribute to a sum.</summary>
internal delegate void ReduceRows(int first, int end, Span<float> sums, int worker);
