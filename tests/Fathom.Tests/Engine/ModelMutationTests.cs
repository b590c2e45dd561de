using Fathom.Cpu;
using Fathom.Engine;
using Fathom.Tests.Checkpoints;
using Xunit;

namespace Fathom.Tests.Engine;

/// <summary>Damaged models: refused, or they run without leaving their memory, keep none of it, and never choose a token by logits that are no numbers.</summary>
[Collection(MemoryTests.Name)]
public sealed class ModelMutationTests : IDisposable
{
    private const int Tokens = 11;
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_damaged_config_is_refused_or_the_model_runs(bool quantized)
    {
        Write(quantized);
        string path = _folder.Path("config.json");
        Mutations.Run([File.ReadAllBytes(path)], input => Run(path, input), _ => ..);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Damaged_weights_are_refused_or_the_model_runs(bool quantized, bool inData)
    {
        Write(quantized);
        string path = _folder.Path("model.safetensors");
        Mutations.Run([File.ReadAllBytes(path)], input => Run(path, input), inData ? Data : MutationTests.Header);
    }

    // Most damage to a header is refused; damage to the data reaches the forward pass.
    private static Range Data(byte[] input) => MutationTests.Header(input).End..;

    private void Write(bool quantized) => (quantized ? TinyCheckpoint.Quantized() : TinyCheckpoint.Plain()).Write(_folder);

    private void Run(string path, byte[] input)
    {
        File.WriteAllBytes(path, input);
        long before = MemoryTests.LiveBytes;
        try
        {
            using var device = new CpuDevice(1);
            using LanguageModel model = LanguageModel.Load(
                _folder.Root, device, new LoadOptions { MaxRows = 4, AllowUnusedTensors = input.Length % 2 == 0 });
            Complete(model, device);
        }
        finally
        {
            Assert.Equal(before, MemoryTests.LiveBytes);
        }
    }

    private static void Complete(LanguageModel model, CpuDevice device)
    {
        int vocabulary = model.Config.VocabularySize;
        using var generator = new Generator(model, device, Math.Min(Tokens + 2, model.Config.MaxPositions));
        int[] prompt = [.. Enumerable.Range(0, Math.Min(Tokens, generator.Context)).Select(i => i * 5 % vocabulary)];
        generator.Read(prompt, progress: null, CancellationToken.None);
        var sampler = new Sampler(new SamplingOptions { TopP = 0.9f }, vocabulary);
        foreach (Token token in generator.Generate(sampler, model.Config.EosToken, maxTokens: 4, CancellationToken.None))
        {
            Assert.InRange(token.Id, 0, vocabulary - 1);
            Assert.True(token.LogProbability <= 1e-6f, $"{token}");
        }
    }
}
