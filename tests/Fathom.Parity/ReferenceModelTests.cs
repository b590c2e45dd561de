using Fathom.Model;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Parity;

/// <summary>What must hold of the reference model for any config, beyond the shapes that the golden files have.</summary>
public class ReferenceModelTests
{
    private const int TokenCount = 140;

    private const int Seed = 20;

    public static TheoryData<string> Names => [.. TinyModels.All.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Later_tokens_change_nothing_before_them(string name)
    {
        ModelConfig config = TinyModels.All[name];
        ReferenceModel model = Make(config, name == nameof(TinyModels.Mixed) ? CacheRounding.ReleasedMixed : CacheRounding.None);
        int[] tokens = Tokens(config);
        ReferenceTrace whole = model.Run(tokens);
        foreach (int length in new[] { 1, 2, 7, 8, 9, 33, 128 })
        {
            Assert.Equal(whole.Logits[..length], model.Run(tokens[..length]).Logits);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Random_weights_make_finite_and_varied_logits(string name)
    {
        ModelConfig config = TinyModels.All[name];
        ReferenceModel model = Make(config, CacheRounding.None);
        ReferenceTrace trace = model.Run(Tokens(config));
        double[] logits = [.. trace.Logits.SelectMany(row => row)];
        double mean = logits.Average();
        double deviation = Math.Sqrt(logits.Average(value => (value - mean) * (value - mean)));
        Assert.True(deviation is > 0.3 and < 30, $"{name}: the logits' deviation is {deviation}.");
        if (config.MtpLayerCount > 0) Assert.All(model.RunMtp(trace).Logits, row => Assert.All(row, value => Assert.True(double.IsFinite(value))));
    }

    [Fact]
    public void A_repeated_seed_repeats_the_weights()
    {
        Dictionary<string, WeightArray> first = ReferenceWeights.Random(TinyModels.Flash, Seed);
        Dictionary<string, WeightArray> second = ReferenceWeights.Random(TinyModels.Flash, Seed);
        Assert.All(first, item => Assert.Equal(item.Value.Values, second[item.Key].Values));
    }

    [Fact]
    public void Random_weights_have_the_released_names_and_shapes()
    {
        string folder = Fathom.Tests.TestFiles.Path("tests", "goldens", "g_mtp");
        ReferenceTensors golden = ReferenceTensors.Load(folder);
        Dictionary<string, WeightArray> random = ReferenceWeights.Random(ReferenceConfig.Read(Path.Combine(folder, "config.json")), Seed);
        Assert.Equal(golden.Names.Order(StringComparer.Ordinal), random.Keys.Order(StringComparer.Ordinal));
        Assert.All(random, item => Assert.Equal(golden[item.Key].Shape, item.Value.Shape));
    }

    private static ReferenceModel Make(ModelConfig config, CacheRounding rounding) =>
        new(config, ReferenceTensors.From(ReferenceWeights.Random(config, Seed)), rounding);

    private static int[] Tokens(ModelConfig config)
    {
        Random random = new(Seed);
        return [.. Enumerable.Range(0, TokenCount).Select(_ => random.Next(config.VocabularySize))];
    }
}
