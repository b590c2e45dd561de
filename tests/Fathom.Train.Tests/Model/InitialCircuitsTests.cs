using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Tests;
using Fathom.Tests.Reference;
using Fathom.Train.Autograd;
using Fathom.Train.Model;
using Xunit;

namespace Fathom.Train.Tests.Model;

public class InitialCircuitsTests
{
    private const int Tokens = 40;

    /// <summary>At the bundled shape, before any step: a token's query meets entries of its own token, and hardly any others.</summary>
    [Fact]
    public void Queries_begin_as_keys_of_their_token()
    {
        ModelConfig config = ConfigReader.Read(TestFiles.Path("runs", "nano", "config.json")).Config;
        Parameters p = Filled(config);
        float[][] x = [.. Enumerable.Range(0, Tokens).Select(i => p[WeightPart.Embedding].Value.Slice(i * config.HiddenSize, config.HiddenSize).ToArray())];
        int layer = Enumerable.Range(0, config.LayerCount).First(l => LayerPlan.For(config, l).Attention == AttentionKind.Csa);
        float[][] keys = [.. x.Select(row => Product(p[WeightPart.CompressorKv, layer], row)[..config.NonRotaryDim])];
        float[][] queries = [.. x.Select(row => Product(p[WeightPart.QueryUp, layer], Product(p[WeightPart.QueryDown, layer], row))[..config.NonRotaryDim])];
        double own = Enumerable.Range(0, Tokens).Average(i => Cosine(queries[i], keys[i]));
        double others = Enumerable.Range(0, Tokens).SelectMany(i => Enumerable.Range(0, Tokens).Where(j => j != i).Select(j => Math.Abs(Cosine(queries[i], keys[j])))).Average();
        Assert.True(own > 0.5, $"own {own:F2}");
        Assert.True(others < 0.2, $"others {others:F2}");
    }

    [Fact]
    public void The_head_begins_as_the_embedding()
    {
        Parameters p = Filled(TinyModels.Flash);
        Assert.True(Cosine(p[WeightPart.Embedding].Value.ToArray(), p[WeightPart.Head].Value.ToArray()) > 0.9);
    }

    private static Parameters Filled(ModelConfig config)
    {
        var p = new Parameters(config);
        InitialWeights.Fill(p, 3);
        return p;
    }

    private static float[] Product(Parameter matrix, float[] x) =>
        [.. Enumerable.Range(0, matrix.Rows).Select(row => Enumerable.Range(0, x.Length).Sum(i => matrix.Value.Span[(row * x.Length) + i] * x[i]))];

    private static double Cosine(float[] a, float[] b) => Dot(a, b) / Math.Sqrt(Dot(a, a) * Dot(b, b));

    private static double Dot(float[] a, float[] b) => a.Zip(b, (p, q) => (double)p * q).Sum();
}
