using System.Diagnostics;

namespace Fathom.Cpu;

/// <summary>Work on a range of independent items. A struct, so that handing it over allocates nothing.</summary>
internal interface IRangeJob
{
    /// <summary>Does items <paramref name="first"/> … <paramref name="first"/> + <paramref name="count"/>.</summary>
    /// <param name="first">first item</param>
    /// <param name="count">number of items</param>
    /// <param name="worker">0 … threads − 1; no two calls at a time have the same</param>
    void Run(int first, int count, int worker);
}

/// <summary>
/// The engine's only parallelism: a fixed set of threads that share out the items of one job after another. Only one thread may call
/// <see cref="Run"/>. Which worker does an item is left to chance, so a job must compute each item from that item alone.
/// </summary>
internal sealed class WorkerPool : IDisposable
{
    // About 200 µs: longer than most gaps between shared operations of a small model, shorter than a scheduler's time slice.
    private const int SpinsBeforeParking = 1_000;

    // The door's state: how many workers are inside, or that nobody may enter any more.
    private const int Closed = int.MinValue;

    // Multiply-adds in about 4 µs, which is what waking another thread costs.
    private const long WorkBeforeSharing = 100_000;

    private readonly Thread[] _threads;
    private readonly object _gate = new();
    private readonly Dictionary<Type, Runner> _runners = [];
    private Runner? _runner;
    private int _generation;
    private int _door = Closed;
    private int _parked;
    private bool _stopping;

    /// <summary>Starts <paramref name="threads"/> − 1 threads; the caller of <see cref="Run"/> is the remaining one.</summary>
    public WorkerPool(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        Threads = threads;
        _threads = new Thread[threads - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            int worker = i + 1;
            _threads[i] = new Thread(() => Work(worker)) { IsBackground = true, Name = $"fathom-{worker}" };
            _threads[i].Start();
        }
    }

    /// <summary>Threads that share the work, the caller included.</summary>
    public int Threads { get; }

    /// <summary>Does all <paramref name="count"/> items and returns when they are done.</summary>
    /// <param name="count">number of items</param>
    /// <param name="chunk">items handed out at a time; fewer towards the end, so that threads end together</param>
    /// <param name="job">the work</param>
    public void Run<TJob>(int count, int chunk, in TJob job) where TJob : struct, IRangeJob
    {
        Debug.Assert(count >= 0 && chunk >= 1);
        if (Threads == 1 || count <= chunk)
        {
            if (count > 0)
            {
                job.Run(0, count, 0);
            }
            return;
        }
        if (!_runners.TryGetValue(typeof(TJob), out Runner? runner))
        {
            _runners[typeof(TJob)] = runner = new Runner<TJob>();
        }
        var typed = (Runner<TJob>)runner;
        typed.Job = job;
        typed.Begin(count, chunk, Threads);
        Start(typed);
        typed.Run(0);
        Finish();
        typed.Job = default;
        typed.Throw();
    }

    /// <summary>
    /// Items to hand out at a time: several pieces to a thread so that a late thread does less, but no piece so small that handing it
    /// over costs more than doing it.
    /// </summary>
    /// <param name="count">number of items</param>
    /// <param name="work">multiply-adds of one item, roughly</param>
    public int Chunk(int count, long work)
    {
        int smallest = (int)Math.Min(int.MaxValue, (WorkBeforeSharing + work - 1) / Math.Max(1, work));
        return Math.Max(Math.Max(1, count / (Threads * 4)), smallest);
    }

    /// <summary>Stops the threads.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _stopping = true;
            Monitor.PulseAll(_gate);
        }
        foreach (Thread thread in _threads)
        {
            thread.Join();
        }
    }

    // Ordering: the job and _runner are written before the door opens (release); a worker enters by an interlocked exchange (full fence) and
    // reads them afterwards. The caller waits only for workers that entered, so one that the system has not woken yet holds nobody up; it
    // finds the door closed, or open to the next job, which is as good.
    private void Start(Runner runner)
    {
        _runner = runner;
        Volatile.Write(ref _door, 0);
        lock (_gate)
        {
            Volatile.Write(ref _generation, unchecked(_generation + 1));
            if (_parked > 0)
            {
                Monitor.PulseAll(_gate);
            }
        }
    }

    private void Finish()
    {
        var spinner = new SpinWait();
        while (Interlocked.CompareExchange(ref _door, Closed, 0) != 0)
        {
            spinner.SpinOnce(sleep1Threshold: -1);
        }
    }

    private void Work(int worker)
    {
        int seen = 0;
        while (WaitForGeneration(seen))
        {
            seen = Volatile.Read(ref _generation);
            if (TryEnter())
            {
                _runner!.Run(worker);                                                     // set before the door opened
                Interlocked.Decrement(ref _door);
            }
        }
    }

    private bool TryEnter()
    {
        for (int inside = Volatile.Read(ref _door); inside >= 0;)
        {
            int found = Interlocked.CompareExchange(ref _door, inside + 1, inside);
            if (found == inside)
            {
                return true;
            }
            inside = found;
        }
        return false;
    }

    private bool WaitForGeneration(int seen)
    {
        for (int i = 0; i < SpinsBeforeParking; i++)
        {
            if (Volatile.Read(ref _generation) != seen)
            {
                return true;
            }
            Thread.SpinWait(8);
        }
        lock (_gate)
        {
            _parked++;
            while (_generation == seen && !_stopping)
            {
                Monitor.Wait(_gate);
            }
            _parked--;
            return _generation != seen;
        }
    }

    private abstract class Runner
    {
        private int _count;
        private int _chunk;
        private int _threads;
        private int _next;
        private Exception? _failure;

        public void Begin(int count, int chunk, int threads)
        {
            _count = count;
            _chunk = chunk;
            _threads = threads;
            _failure = null;
            Volatile.Write(ref _next, 0);
        }

        public void Run(int worker)
        {
            try
            {
                for (int taken = Claim(out int first); taken > 0; taken = Claim(out first))
                {
                    RunItems(first, taken, worker);
                }
            }
            catch (Exception failure) when (worker >= 0)
            {
                // Rethrown on the caller's thread: a worker that dies would leave the caller waiting.
                _failure = failure;
                Volatile.Write(ref _next, _count);
            }
        }

        public void Throw()
        {
            if (_failure is { } failure)
            {
                _failure = null;
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
            }
        }

        protected abstract void RunItems(int first, int count, int worker);

        // At most half of what is left is out at once, down to an eighth of a chunk: then the thread that is last has little to do alone. Even
        // numbers, for jobs that take items in pairs.
        private int Claim(out int first)
        {
            first = Volatile.Read(ref _next);
            while (first < _count)
            {
                int left = _count - first, share = Math.Min(_chunk, Math.Max(left / (2 * _threads), _chunk / 8));
                int taken = Math.Min(left, Math.Max(share & ~1, Math.Min(_chunk, 2)));
                int found = Interlocked.CompareExchange(ref _next, first + taken, first);
                if (found == first)
                {
                    return taken;
                }
                first = found;
            }
            return 0;
        }
    }

    private sealed class Runner<TJob> : Runner where TJob : struct, IRangeJob
    {
        public TJob Job;

        protected override void RunItems(int first, int count, int worker) => Job.Run(first, count, worker);
    }
}
