using Fathom.Model;
using Fathom.Parity.Goldens;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Parity;

/// <summary>The reference model with the released cache rounding.</summary>
public class ReferenceMixedTests
{
    public static TheoryData<string> Mixed => [.. GoldenCase.Mixed];

    [Theory]
    [MemberData(nameof(Mixed))]
    public void Reproduces_logits_and_sets(string name)
    {
        GoldenCase golden = GoldenCase.Load(name);
        ErrorLog log = new(name);
        ReferenceTrace trace = golden.Reference().Run(golden.Main.Tokens);
        CaseJudge.Logits(golden, golden.Main, trace.Logits, log);
        CaseJudge.Sets(golden, trace, Tolerances.MixedRouterWeights, log);
        log.Finish();
    }

    [Theory]
    [MemberData(nameof(Mixed))]
    public void Reproduces_each_layers_attention_and_cache_from_the_golden_input(string name)
    {
        GoldenCase golden = GoldenCase.Load(name);
        ReferenceModel model = golden.Reference();
        for (int layer = 0; layer < golden.Config.LayerCount; layer++)
        {
            ErrorLog log = new($"{name} layer {layer}");
            AttentionTrace trace = model.Block(layer).Attention.Run(MixedJudge.Input(golden, layer), golden.Rounding);
            MixedJudge.Layer(golden, layer, trace, log);
            log.Finish();
        }
    }

    [Theory]
    [MemberData(nameof(Mixed))]
    public void Quantises_golden_rows_bit_for_bit(string name)
    {
        GoldenCase golden = GoldenCase.Load(name);
        ErrorLog log = new(name);
        for (int layer = 0; layer < golden.Config.LayerCount; layer++)
        {
            ReferenceRope rope = ReferenceRope.For(golden.Config, LayerPlan.For(golden.Config, layer).UsesCompressRope);
            MixedJudge.Steps(
                golden,
                layer,
                row => ReferenceAttention.RoundCachedRow(row, rope, CacheRounding.ReleasedMixed),
                row => ReferenceRounding.Fp4(row, ReferenceRounding.IndexBlock).Values,
                log);
        }

        log.Finish();
    }

    [Theory]
    [MemberData(nameof(Mixed))]
    public void Reproduces_the_variant_without_rounding(string name)
    {
        GoldenCase golden = GoldenCase.Load(name);
        GoldenFile variants = GoldenFile.Open(Path.Combine(golden.ModelFolder, "variants.safetensors"));
        ErrorLog log = new($"{name} off");
        ReferenceModel model = new(golden.Config, ReferenceTensors.Load(golden.ModelFolder));
        log.CompareAbsolute("logits", model.Run(golden.Main.Tokens).Logits, variants.Rows("off.logits"), Tolerances.Logits);
        log.Finish();
    }
}
