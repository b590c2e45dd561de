using CsCheck;
using Fathom.Cpu;
using Xunit;

namespace Fathom.Tests.Cpu;

public sealed class WorkerPoolTests
{
    [Fact]
    public void Every_item_is_done_once() =>
        Gen.Select(Gen.Int[1, 3], Gen.Int[0, 2_000], Gen.Int[1, 300]).Sample((threads, count, chunk) =>
        {
            using var pool = new WorkerPool(threads);
            int[] done = new int[count];
            pool.Run(count, chunk, new Count(done));
            Assert.True(Array.TrueForAll(done, times => times == 1), $"{threads} threads, {count} items, {chunk} at a time");
        }, iter: 100, threads: 1);

    private readonly struct Count(int[] done) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            for (int i = first; i < first + count; i++)
            {
                Interlocked.Increment(ref done[i]);
            }
        }
    }
}
