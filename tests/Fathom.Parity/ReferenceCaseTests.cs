using Fathom.Parity.Goldens;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Parity;

/// <summary>The reference model against every golden case.</summary>
public class ReferenceCaseTests
{
    public static TheoryData<string> Plain => [.. GoldenCase.Plain];

    [Theory]
    [MemberData(nameof(Plain))]
    public void Reproduces_logits_streams_routing_and_index_sets(string name)
    {
        GoldenCase golden = GoldenCase.Load(name);
        ReferenceModel model = golden.Reference();
        ErrorLog log = new(name);

        ReferenceTrace trace = model.Run(golden.Main.Tokens);
        CaseJudge.Logits(golden, golden.Main, trace.Logits, log);
        CaseJudge.Trace(golden, trace, log);
        log.Finish();
    }

    [Theory]
    [InlineData("a_sliding")]
    [InlineData("b_csa")]
    public void Reproduces_short_prompts(string name)
    {
        GoldenCase golden = GoldenCase.Load(name);
        ReferenceModel model = golden.Reference();
        Assert.NotEmpty(golden.ShortPrompts);
        foreach (GoldenRun run in golden.ShortPrompts)
        {
            ErrorLog log = new(run.Name);
            CaseJudge.Logits(golden, run, model.Run(run.Tokens).Logits, log);
            log.Finish();
        }
    }

    [Theory]
    [InlineData("g_mtp")]
    [InlineData("q_fp8_fp4")]
    public void Reproduces_the_MTP_block(string name)
    {
        GoldenCase golden = GoldenCase.Load(name);
        ReferenceModel model = golden.Reference();
        ErrorLog log = new(name);

        ReferenceTrace trace = model.Run(golden.Main.PromptIds);
        CaseJudge.Mtp(golden, trace.StreamsAfter(golden.Config.LayerCount), model.RunMtp(trace).Logits, log);
        log.Finish();
    }

    [Fact]
    public void Reads_shards_as_one_model()
    {
        GoldenCase golden = GoldenCase.Load("d_flash");
        ReferenceTensors whole = ReferenceTensors.Load(golden.ModelFolder);
        ReferenceTensors sharded = ReferenceTensors.Load(Path.Combine(golden.ModelFolder, "sharded"));
        Assert.Equal(whole.Names.Order(), sharded.Names.Order());
        foreach (string name in whole.Names) Assert.Equal(whole[name].Values, sharded[name].Values);
    }
}
