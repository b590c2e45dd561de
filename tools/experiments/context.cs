#!/usr/bin/env dotnet
#:project ../../src/Fathom/Fathom.csproj
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false

// dotnet run -c Release tools/experiments/context.cs -- [THREADS [NAME…]]: what the operations cost that grow with the context, for the shapes of Flash and
// of the bundled model. Prints CSV: operation, shape, entries, queries, milliseconds for each query (median of the runs)
// and milliseconds of processor time (mean of the runs), which other programs disturb less: with one thread it is what the operation costs.
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Tensors;

string[] wanted = args.Length > 1 ? args[1..] : ["select", "hca", "csa", "mhc"];
using var device = new CpuDevice(args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 2);
var costs = new ContextCosts(device);
Console.WriteLine("operation,shape,entries,queries,ms per query,processor ms per query");
foreach (Shape shape in (Shape[])[new("flash", 64, 128, 64, 512, 64, 512, 4096), new("nano", 4, 64, 4, 96, 32, 512, 256)])
{
    foreach (string name in wanted)
    {
        switch (name)
        {
            case "select":
                foreach (int entries in (int[])[16_384, 65_536, 262_144])
                {
                    costs.Select(shape, entries, 1);
                    costs.Select(shape, entries, shape.Heads > 4 && entries > 65_536 ? 16 : 64);
                }
                break;
            case "hca":
                costs.Attend(shape, 8192, 1, selected: false);
                costs.Attend(shape, 8192, shape.Heads > 4 ? 4 : 32, selected: false);
                break;
            case "csa":
                costs.Attend(shape, 65_536, 1, selected: true);
                costs.Attend(shape, 65_536, 64, selected: true);
                break;
            case "mhc":
                costs.Connect(shape, 1);
                costs.Connect(shape, 256);
                break;
            default:
                Console.Error.WriteLine($"Expected select, hca, csa or mhc, found {name}.");
                return 2;
        }
    }
}
return 0;

/// <param name="Name">of a model</param> <param name="IndexHeads">n_h^I</param> <param name="IndexDim">c^I</param> <param name="Heads">n_h</param>
/// <param name="HeadDim">c</param> <param name="Rotary">r</param> <param name="TopK">k</param> <param name="Hidden">d</param>
internal sealed record Shape(string Name, int IndexHeads, int IndexDim, int Heads, int HeadDim, int Rotary, int TopK, int Hidden);

/// <summary>Each operation on random rows.</summary>
internal sealed class ContextCosts(CpuDevice device)
{
    public void Select(Shape shape, int entries, int queries)
    {
        const int ratio = 4;
        var random = new Random(1);
        var format = new RowFormat(RowKind.Fp4, shape.IndexDim, shape.Rotary);
        RowBlocks keys = Blocks(random, format, entries);
        Tensor q = Rows(random, queries, shape.IndexHeads * shape.IndexDim), w = Rows(random, queries, shape.IndexHeads);
        device.RoundRows(q.Shaped(queries * shape.IndexHeads, shape.IndexDim), format);
        var selection = new Tensor(device.Allocate((long)queries * shape.TopK * sizeof(int), MemoryPurpose.Activations), 0, DType.I32, 1, queries, shape.TopK);
        Report("select", shape, entries, queries, () => device.SelectRows(q, w, keys, ratio, (entries * ratio) - queries, selection));
    }

    public void Attend(Shape shape, int entries, int queries, bool selected)
    {
        const int window = 128;
        int ratio = selected ? 4 : 128;
        var random = new Random(2);
        RowBlocks rows = Blocks(random, new RowFormat(RowKind.Fp8WithBf16Rotary, shape.HeadDim, shape.Rotary), entries);
        Tensor q = Rows(random, queries, shape.Heads * shape.HeadDim), near = Rows(random, window - 1 + queries, shape.HeadDim);
        Tensor outputs = Rows(random, queries, shape.Heads * shape.HeadDim), sinks = Rows(random, 1, shape.Heads), selection = default;
        if (selected)
        {
            selection = new Tensor(device.Allocate((long)queries * shape.TopK * sizeof(int), MemoryPurpose.Activations), 0, DType.I32, 1, queries, shape.TopK);
            for (int t = 0; t < queries; t++)
            {
                int[] chosen = [.. Enumerable.Range(0, shape.TopK).Select(i => (i * (entries / shape.TopK)) + random.Next(entries / shape.TopK))];
                device.Upload(MemoryMarshal.AsBytes<int>(chosen), selection.Row(t));
            }
        }
        var context = new ContextOperand(near, rows, selection, ratio, (entries * ratio) - queries);
        Report(selected ? "csa" : "hca", shape, entries, queries, () => device.SparseAttention(q, context, sinks, 1 / MathF.Sqrt(shape.HeadDim), outputs));
    }

    public void Connect(Shape shape, int queries)
    {
        const int n = 4;
        var random = new Random(3);
        Tensor streams = Rows(random, queries, n * shape.Hidden), y = Rows(random, queries, shape.Hidden), mix = Rows(random, queries, n * (n + 2));
        Tensor projection = Rows(random, n * (n + 2), n * shape.Hidden);
        WeightMatrix matrix = device.Pack([new RawMatrix(projection, default)]);
        var hc = new HyperConnectionOperand(matrix, Rows(random, 1, 3), Rows(random, 1, n * (n + 2)), 20, 1e-6f, 1e-6f);
        Report("mhc", shape, 0, queries, () =>
        {
            device.HcPre(streams, hc, y, mix);
            device.HcPost(streams, y, mix);
        });
    }

    private RowBlocks Blocks(Random random, RowFormat format, int entries)
    {
        const int inBlock = 512;
        var blocks = new List<Storage>();
        for (int first = 0; first < entries; first += inBlock)
        {
            blocks.Add(device.Allocate((long)inBlock * format.Bytes, MemoryPurpose.Cache));
        }
        var rows = new RowBlocks(blocks, 0, inBlock, format);
        Tensor some = Rows(random, inBlock, format.Dim);
        for (int first = 0; first < entries; first += inBlock)
        {
            // The same rows from another beginning, so that no block has the scores of another.
            int begin = random.Next(1, inBlock);
            device.StoreRows(some.Slice(begin, inBlock - begin), first, rows);
            device.StoreRows(some.Slice(0, begin), first + inBlock - begin, rows);
        }
        return rows;
    }

    private Tensor Rows(Random random, int rows, int columns)
    {
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = (float)(random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5);
        }
        var tensor = new Tensor(device.Allocate((long)values.Length * sizeof(float), MemoryPurpose.Activations), 0, DType.F32, 1, rows, columns);
        device.Upload(MemoryMarshal.AsBytes<float>(values), tensor);
        return tensor;
    }

    private static void Report(string name, Shape shape, int entries, int queries, Action run)
    {
        var times = new List<double>();
        run();
        var all = Stopwatch.StartNew();
        TimeSpan before = Environment.CpuUsage.TotalTime;
        // Enough for the compiler's second tier where runs are short, two where they are long.
        while (times.Count < 2 || (times.Count < 200 && all.ElapsedMilliseconds < 600))
        {
            long begin = Stopwatch.GetTimestamp();
            run();
            times.Add(Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
        }
        double processor = (Environment.CpuUsage.TotalTime - before).TotalMilliseconds / times.Count;
        times.Sort();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name},{shape.Name},{entries},{queries},{times[times.Count / 2] / queries:G4},{processor / queries:G4}"));
    }
}
