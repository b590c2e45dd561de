#!/usr/bin/env dotnet
#:project ../../src/Fathom/Fathom.csproj
#:property PublishAot=false
#:property AllowUnsafeBlocks=true
#:property RestorePackagesWithLockFile=false

// dotnet run -c Release tools/experiments/products.cs [-- NAME…]: products at V4-Flash's shapes, hidden 4096, on one and two threads. Names: bf16, fp8,
// fp4, experts, few (at most 8 rows), many; without any, all. Prints CSV; figures are medians of rounds, shares those of a plain read beside each.
// FP4 is multiplied in both numeric modes, in turns; the last column says how many times as fast as exact the fast mode was, median of the rounds.
// Weights are 256 MB or more and each product takes others, so that nothing is in a cache. Their values are random and mean nothing.
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Tensors;

string[] products = [.. args.Except(["few", "many"])];
bool few = !args.Contains("many"), many = !args.Contains("few");
(string Name, WeightFormat Format)[] dense = [("bf16", WeightFormat.Bf16), ("fp8", WeightFormat.Fp8), ("fp4", WeightFormat.Fp4)];
Console.WriteLine("product,rows,threads,GB/s,best GB/s,read GB/s,share of read,GFLOPS,times exact");
foreach (int threads in new[] { 1, 2 })
{
    using var bench = new Bench(threads);
    foreach ((string name, WeightFormat format) in dense.Where(d => products.Length == 0 || products.Contains(d.Name)))
    {
        bench.Dense(name, format, [.. few ? [1, 2, 4, 8] : Array.Empty<int>(), .. many ? [512] : Array.Empty<int>()]);
    }
    if (products.Length == 0 || products.Contains("experts"))
    {
        bench.Experts([.. few ? [1, 2] : Array.Empty<int>(), .. many ? [64, 128, 200] : Array.Empty<int>()]);
    }
}

internal sealed unsafe partial class Bench : IDisposable
{
    private const int Hidden = 4096, Inner = 2048, ExpertCount = 24, Chosen = 6, Rounds = 15;
    private const long Enough = 256L << 20;

    private readonly int _threads;
    private readonly CpuDevice _device;
    private readonly CpuDevice _fast;
    private readonly List<Storage> _owned = [];
    private readonly byte* _plain = (byte*)NativeMemory.AlignedAlloc((nuint)Enough, 2 << 20);

    public Bench(int threads)
    {
        _threads = threads;
        _device = new CpuDevice(threads);
        _fast = new CpuDevice(threads, NumericMode.Fast);
        _ = Advise(_plain, (nuint)Enough, 14);
        new Span<byte>(_plain, (int)Enough).Fill(1);
    }

    public void Dense(string name, WeightFormat format, int[] counts)
    {
        int matrices = (int)(Enough / WeightMatrix.BytesOfStack(format, 1, Hidden, Hidden)) + 1;
        WeightMatrix[] w = [.. Enumerable.Range(0, matrices).Select(_ => Random(format, 1, Hidden, Hidden))];
        foreach (int rows in counts)
        {
            Tensor x = Floats(rows, Hidden), y = Floats(rows, Hidden);
            int used = rows > 8 ? 2 : matrices;
            Report(name, rows, used * w[0].MatrixBytes, 2.0 * used * rows * Hidden * Hidden, format == WeightFormat.Fp4, (device, round) =>
            {
                for (int i = 0; i < used; i++)
                {
                    device.MatMul(w[(i + (round * used)) % matrices], x, y);
                }
            });
        }
        Free();
    }

    public void Experts(int[] counts)
    {
        WeightMatrix gate = Random(WeightFormat.Fp4, ExpertCount, Inner, Hidden), up = Random(WeightFormat.Fp4, ExpertCount, Inner, Hidden);
        var routed = new ExpertOperand(gate, up, Random(WeightFormat.Fp4, ExpertCount, Hidden, Inner));
        long bytes = (2 * gate.MatrixBytes) + routed.Down.MatrixBytes;
        foreach (int rows in counts)
        {
            Tensor x = Floats(rows, Hidden), y = Floats(rows, Hidden), weights = Floats(rows, Chosen), ids = Tensor(DType.I32, rows, Chosen);
            int passes = rows > 8 ? 1 : ExpertCount / Chosen / Math.Min(rows, 4), touched = Math.Min(ExpertCount, rows * Chosen);
            int[] chosen = new int[rows * Chosen];
            Report("experts", rows, passes * touched * bytes, passes * rows * (double)Chosen * 6 * Hidden * Inner, true, (device, _) =>
            {
                for (int pass = 0; pass < passes; pass++)
                {
                    for (int i = 0; i < chosen.Length; i++)
                    {
                        chosen[i] = (i + (pass * touched)) % ExpertCount;
                    }
                    device.Upload(MemoryMarshal.AsBytes(chosen.AsSpan()), ids);
                    device.Experts(x, ids, weights, routed, null, float.PositiveInfinity, y);
                }
            });
        }
        Free();
    }

    public void Dispose()
    {
        Free();
        _device.Dispose();
        _fast.Dispose();
        NativeMemory.AlignedFree(_plain);
    }

    private void Report(string name, int rows, long bytes, double operations, bool inBoth, Action<CpuDevice, int> product)
    {
        List<double> seconds = [], fast = [], reads = [];
        product(_device, 0);
        product(_fast, 0);
        for (int round = 0; round < Rounds; round++)
        {
            reads.Add(Timed(() => Read(Enough)));
            seconds.Add(Timed(() => product(_device, round)));
            if (inBoth)
            {
                fast.Add(Timed(() => product(_fast, round)));
            }
        }
        Line(name, rows, bytes, operations, seconds, reads, "");
        if (inBoth)
        {
            Line(name + " fast", rows, bytes, operations, fast, reads, $"{Median([.. seconds.Zip(fast, (exact, other) => exact / other)]):F2}");
        }
    }

    private void Line(string name, int rows, long bytes, double operations, List<double> seconds, List<double> reads, string ratio)
    {
        // Neighbours in time share their disturbances, so the share is the median of the rounds' own.
        double share = Median([.. seconds.Zip(reads, (one, read) => bytes / one / (Enough / read))]);
        double best = bytes / seconds.Min() / 1e9, flops = operations / Median(seconds) / 1e9;
        Console.WriteLine(rows > 8
            ? $"{name},{rows},{_threads},,,,,{flops:F1},{ratio}"
            : $"{name},{rows},{_threads},{bytes / Median(seconds) / 1e9:F1},{best:F1},{Enough / Median(reads) / 1e9:F1},{share:F2},{flops:F1},{ratio}");
    }

    // Pieces are handed out as the device does it, so that a disturbed thread does less.
    private void Read(long bytes)
    {
        long next = 0;
        void Work()
        {
            const long Piece = 1 << 18;
            Vector512<int> a = default, b = default, c = default, d = default;
            for (long at = Interlocked.Add(ref next, Piece) - Piece; at < bytes; at = Interlocked.Add(ref next, Piece) - Piece)
            {
                for (byte* p = _plain + at, end = p + Piece; p < end; p += 256)
                {
                    a ^= Vector512.Load((int*)p);
                    b ^= Vector512.Load((int*)(p + 64));
                    c ^= Vector512.Load((int*)(p + 128));
                    d ^= Vector512.Load((int*)(p + 192));
                }
            }
            if ((a ^ b ^ c ^ d)[0] == 12345)
            {
                Console.Error.WriteLine("12345");
            }
        }
        Thread[] others = [.. Enumerable.Range(1, _threads - 1).Select(_ => new Thread(Work))];
        Array.ForEach(others, thread => thread.Start());
        Work();
        Array.ForEach(others, thread => thread.Join());
    }

    private WeightMatrix Random(WeightFormat format, int count, int rows, int columns)
    {
        // Bytes 0x70 … 0x77 are finite values in every format, and scales of 2^-15 to 2^-8. With much smaller ones experts would multiply subnormal singles,
        // for which some processors take many times as long.
        long bytes = WeightMatrix.BytesOfStack(format, count, rows, columns);
        Storage storage = _device.Allocate(bytes, MemoryPurpose.Weights);
        _owned.Add(storage);
        byte[] piece = new byte[4096];
        new Random(1).NextBytes(piece);
        piece = Array.ConvertAll(piece, value => (byte)(0x70 | (value & 7)));
        for (long at = 0; at < bytes; at += piece.Length)
        {
            _device.Upload(piece, new Tensor(storage, at, DType.U8, 1, 1, piece.Length));
        }
        return new WeightMatrix(storage, format, count, rows, columns);
    }

    private Tensor Floats(int rows, int columns)
    {
        Tensor tensor = Tensor(DType.F32, rows, columns);
        float[] values = [.. Enumerable.Range(0, rows * columns).Select(i => MathF.Sin(i))];
        _device.Upload(MemoryMarshal.AsBytes(values.AsSpan()), tensor);
        return tensor;
    }

    private Tensor Tensor(DType type, int rows, int columns)
    {
        Storage storage = _device.Allocate((long)rows * columns * 4, MemoryPurpose.Activations);
        _owned.Add(storage);
        return new Tensor(storage, 0, type, 1, rows, columns);
    }

    private void Free()
    {
        _owned.ForEach(storage => storage.Dispose());
        _owned.Clear();
    }

    private static double Timed(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint bytes, int advice);
}
