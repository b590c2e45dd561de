using Fathom.Cpu;
using Fathom.Engine;
using Fathom.Tests;
using Fathom.Train.Evaluation;
using Xunit;

namespace Fathom.Train.Tests.Evaluation;

public class RoutingDeviceTests
{
    [Fact]
    public void Loads_are_multiples_of_an_even_share_layer_by_layer()
    {
        string folder = TestFiles.Path("models", "fathom-nano");
        using var cpu = new CpuDevice(2);
        var routing = new RoutingDevice(cpu);
        Assert.Empty(routing.Loads);
        using LanguageModel model = LanguageModel.Load(folder, routing, new LoadOptions());
        int[] tokens = [.. Enumerable.Range(0, 300).Select(i => 300 + ((i * 37) % 3000))];
        TextScorer.Score(model, routing, tokens, null, TestContext.Current.CancellationToken);

        // One pass or two: the layers are told apart where a pass begins.
        IReadOnlyList<ExpertLoad> once = routing.Loads;
        TextScorer.Score(model, routing, tokens, null, TestContext.Current.CancellationToken);
        Assert.Equal(once, routing.Loads);

        Assert.Equal(Enumerable.Range(0, model.Config.LayerCount), once.Select(load => load.Layer));
        Assert.Equal(Enumerable.Range(0, model.Config.LayerCount).Select(layer => layer < model.Config.HashLayerCount), once.Select(load => load.IsHashed));
        Assert.All(once, load => Assert.InRange(load.Least, 0, 1));
        Assert.All(once, load => Assert.InRange(load.Most, 1, model.Config.ExpertCount / (double)model.Config.ExpertsPerToken));
    }

    [Fact]
    public void A_text_of_one_token_is_routed_to_the_experts_of_its_row()
    {
        string folder = TestFiles.Path("models", "fathom-nano");
        using var cpu = new CpuDevice(1);
        var routing = new RoutingDevice(cpu);
        using LanguageModel model = LanguageModel.Load(folder, routing, new LoadOptions());
        TextScorer.Score(model, routing, [1000], null, TestContext.Current.CancellationToken);    // reads the begin-of-text token alone
        Assert.All(routing.Loads, load => Assert.Equal((0, model.Config.ExpertCount / (double)model.Config.ExpertsPerToken), (load.Least, load.Most)));
    }
}
