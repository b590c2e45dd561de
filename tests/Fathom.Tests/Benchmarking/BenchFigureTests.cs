using System.Globalization;
using System.Xml.Linq;
using Fathom.Benchmarking;
using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Model;
using Fathom.Planning;
using Fathom.Tests.Planning;
using Xunit;

namespace Fathom.Tests.Benchmarking;

public class BenchFigureTests
{
    private static readonly BenchFigure[] s_figures = Measure();

    [Fact]
    public void A_time_is_at_its_limit_from_above_and_a_rate_from_below()
    {
        Assert.Equal(0.5, new BenchFigure("layer", "CSA", 512, 2, "ms", 1).Share);
        Assert.Equal(0.5, new BenchFigure("decode", "speed", 512, 1, "tokens/s", 2).Share);
        Assert.Null(new BenchFigure("machine", "read", 1, 2, "GB/s").Share);
    }

    [Fact]
    public void Csv_has_a_row_for_each_figure_and_its_numbers_parse()
    {
        string[] lines = BenchFigure.Csv(s_figures).TrimEnd('\n').Split('\n');
        Assert.Equal(BenchFigure.CsvHeader, lines[0]);
        Assert.Equal(s_figures.Length, lines.Length - 1);
        foreach ((string line, BenchFigure figure) in lines[1..].Zip(s_figures))
        {
            string[] cells = line.Split(',');
            Assert.Equal(BenchFigure.CsvHeader.Split(',').Length, cells.Length);
            Assert.Equal((figure.Section, figure.Name, figure.Unit), (cells[0], cells[1], cells[4]));
            Assert.Equal(figure.At, int.Parse(cells[2], CultureInfo.InvariantCulture));
            Assert.Equal(figure.Value, double.Parse(cells[3], CultureInfo.InvariantCulture), 1e-5 * Math.Abs(figure.Value));
            Assert.Equal(figure.Limit is null, cells[5].Length == 0);
        }
    }

    [Fact]
    public void Every_kind_of_layer_is_measured_at_every_depth()
    {
        foreach (int depth in (int[])[200, 3_000])
        {
            Assert.Equal(["window", "CSA", "HCA", "rest"], s_figures.Where(figure => figure.Section == "layer" && figure.At == depth).Select(figure => figure.Name));
            Assert.Contains(s_figures, figure => figure.Section == "full model" && figure.Name == "decode" && figure.At == depth);
        }
    }

    [Fact]
    public void The_cache_to_read_is_that_of_the_cost_model()
    {
        ModelConfig config = SyntheticModel.Cut(TinyConfigs.Seed, 3, 8);
        double megabytes = s_figures.Single(figure => figure.Name == "cache to read" && figure.At == 3_000).Value;
        Assert.Equal(CostModel.KvBytesRead(config, 3_001) / 1e6, megabytes, 1e-9);
    }

    [Fact]
    public void What_is_counted_is_what_the_cost_model_says()
    {
        ModelConfig config = SyntheticModel.Cut(TinyConfigs.Seed, 3, 8);
        TensorInventory inventory = SyntheticModel.Inventory(config, SyntheticFormat.Official);
        double Counted(string name) => s_figures.Single(figure => figure.Section == "decode" && figure.Name == name && figure.At == 200).Value;
        Assert.Equal(inventory.PackedBytesRead / 1e6, Counted("weights counted"), 1e-9);

        // Steps behind 200 tokens go on for a while; the first has been warmed up by two others at least, and none is behind 350.
        Assert.InRange(Counted("cache counted"), CostModel.KvBytesRead(config, 203) / 1e6, CostModel.KvBytesRead(config, 350) / 1e6);
        Assert.InRange(Counted("operations counted"), CostModel.Flops(config, inventory, 203).Raw / 1e6, CostModel.Flops(config, inventory, 350).Raw / 1e6);
    }

    [Fact]
    public void A_token_reads_its_own_experts_and_the_shared_one()
    {
        // Panels of 32 rows in groups of 128 columns. Packed FP4: 16 bytes a column and 32 scales for each 32 of them; FP8: 32 bytes and 32 scales
        // for each 128; scales of a group filled up to 64 bytes.
        static long Fp4(long rows, long columns) => rows / 32 * ((columns * 16) + (columns / 128 * 128) + ((columns % 128 / 32) + 1) / 2 * 64);
        static long Fp8(long rows, long columns) => rows / 32 * ((columns * 32) + ((columns + 127) / 128 * 64));
        long layer = (2 * ((2 * Fp4(128, 160)) + Fp4(160, 128))) + (2 * Fp8(128, 160)) + Fp8(160, 128);
        Assert.All(s_figures.Where(figure => figure.Name == "experts read"), figure => Assert.Equal(3 * layer / 1e6, figure.Value, 1e-9));
    }

    [Fact]
    public void The_picture_is_well_formed_and_shows_every_layer()
    {
        XElement svg = XElement.Parse(BenchPicture.Draw(s_figures, "a <&> b"));
        Assert.Contains(svg.Elements(), element => element.Value == "a <&> b");
        Assert.All((string[])["window", "CSA", "HCA"], kind => Assert.Contains(svg.Elements(), element => element.Value == kind));
    }

    private static BenchFigure[] Measure()
    {
        ModelConfig config = SyntheticModel.Cut(TinyConfigs.Seed, 3, 8);
        TensorInventory inventory = SyntheticModel.Inventory(config, SyntheticFormat.Official), full = SyntheticModel.Inventory(TinyConfigs.Seed, SyntheticFormat.Official);
        using var cpu = new CpuDevice(2);
        using var device = new ProfilingDevice(cpu, config.LayerCount);
        using ModelWeights weights = SyntheticWeights.Load(device, config, SyntheticFormat.Official);
        using var transformer = new Transformer(device, config, weights, CacheFormat.Mixed, maxRows: 64);
        var subject = new BenchSubject(config, inventory, TinyConfigs.Seed, full, transformer.Layout, new MachineRates(50, 200, 2));
        var bench = new ModelBench(subject, transformer, device);
        return [.. bench.Prefill(100), .. bench.Decode(200, synthetic: false), .. bench.Decode(3_000, synthetic: true)];
    }
}
