using System.Runtime.InteropServices;
using Fathom.Devices;
using Fathom.Model;
using Fathom.Parity.Goldens;
using Fathom.Tests.Model;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Parity;

/// <summary>The engine against the reference model on shapes that no golden file has, each stored in every way.</summary>
public class EngineReferenceTests
{
    private const int Length = 150;

    public static TheoryData<string, StoredAs> Names =>
        new(TinyModels.All.Keys.SelectMany(shape => Enum.GetValues<StoredAs>().Select(stored => (shape, stored))));

    [Theory]
    [MemberData(nameof(Names))]
    public void Logits_drafts_and_routing_agree(string name, StoredAs stored)
    {
        using RandomModel model = RandomModel.Write(TinyModels.All[name], stored, shardBytesMax: 1 << 16);
        RecordingDevice? recording = null;
        using TinyEngine engine = new(model, CacheFormat.F32, decorate: inner => recording = new RecordingDevice(inner));
        int[] tokens = SameBitsEngines.Tokens(model.Config, Length, 7);
        Bits found = engine.Run(tokens);
        ReferenceModel reference = new(model.Config, model.Reference);
        ReferenceTrace trace = reference.Run(tokens);

        ErrorLog log = new($"{name} {stored}");
        log.CompareAbsolute("logits", Doubles(found.Logits), trace.Logits, Tolerances.Logits);
        if (model.Config.MtpLayerCount > 0)
        {
            MtpTrace mtp = reference.RunMtp(trace);
            int[] clear = [.. Enumerable.Range(0, Length - 1).Where(t => Margin(reference, mtp.Block.ExpertsIn[t]) > Tolerances.RouterMargin)];
            Assert.True(clear.Length > Length * 9 / 10, $"{name}: only {clear.Length} drafts choose their experts clearly.");
            double[][] drafts = Doubles(found.Drafts);
            log.CompareAbsolute("drafts", [.. clear.Select(t => drafts[t])], [.. clear.Select(t => mtp.Logits[t])], Tolerances.Logits);
        }

        for (int layer = 0; layer < model.Config.LayerCount; layer++) Sets(recording!, trace.Layers[layer], layer, log);
        log.Finish();
    }

    private static void Sets(RecordingDevice recording, BlockTrace layer, int index, ErrorLog log)
    {
        for (int t = 0; t < Length; t++)
        {
            int[] experts = Array.ConvertAll(recording.Rows($"router_idx.{index}")[t], id => (int)id);
            log.Same($"experts of layer {index}, token {t}", experts.Order(), layer.Experts.Routings[t].Ids.Order());
            if (layer.Attention.Index is null) continue;
            IEnumerable<int> chosen = recording.Rows($"indexer_topk.{index}")[t].Where(row => row >= 0).Select(row => (int)row);
            log.Same($"entries of layer {index}, token {t}", chosen, layer.Attention.Index.TopK[t]);
        }
    }

    /// <summary>How far the last chosen expert of MTP's layer is ahead of the first that was not.</summary>
    private static double Margin(ReferenceModel reference, double[] x)
    {
        const string prefix = "mtp.0.ffn.gate";
        double[] scores = ReferenceExperts.Scores(ReferenceLinear.Apply(reference.Weights[$"{prefix}.weight"], x), reference.Config.Scoring);
        double[] biased = [.. scores.Zip(reference.Weights[$"{prefix}.bias"].Values, (score, bias) => score + bias).OrderDescending()];
        return biased[reference.Config.ExpertsPerToken - 1] - biased[reference.Config.ExpertsPerToken];
    }

    private static double[][] Doubles(List<int[]> bits) =>
        [.. bits.Select(row => MemoryMarshal.Cast<int, float>(row).ToArray().Select(value => (double)value).ToArray())];
}
