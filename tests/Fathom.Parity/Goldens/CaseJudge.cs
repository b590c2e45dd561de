using Fathom.Tests.Reference;

namespace Fathom.Parity.Goldens;

/// <summary>Compares a whole model's values with a golden case, whoever computed them.</summary>
internal static class CaseJudge
{
    /// <param name="golden">The case.</param> <param name="run">The main prompt or a short one.</param>
    /// <param name="logits">(S)(V): logits of every position of <see cref="GoldenRun.Tokens"/>.</param> <param name="log">Takes the differences.</param>
    public static void Logits(GoldenCase golden, GoldenRun run, double[][] logits, ErrorLog log)
    {
        double[][] prefill = logits[..run.PromptIds.Length];
        double[][] decode = logits[(run.PromptIds.Length - 1)..];
        if (golden.MixedLogits is { } bounds)
        {
            MixedLogits("logits", [.. prefill, .. decode[1..]], [.. run.PrefillLogits, .. run.DecodeLogits[1..]], bounds, log);
            return;
        }

        log.CompareAbsolute("prefill logits", prefill, run.PrefillLogits, Tolerances.Logits);
        log.CompareAbsolute("decode logits", decode, run.DecodeLogits, Tolerances.Logits);
        log.Same($"{run.Name} greedy ids", decode.Select(ArgMax), run.GreedyIds);
    }

    /// <summary>Mean and largest absolute difference, for caches whose rounding makes rare large differences.</summary>
    public static void MixedLogits(string what, double[][] logits, double[][] golden, (double Mean, double Max) bounds, ErrorLog log)
    {
        double[][] differences = Absolute(logits, golden);
        log.Limit($"{what} mean", differences.Average(row => row.Average()), bounds.Mean);
        log.Limit($"{what} max", differences.Max(row => row.Max()), bounds.Max);
    }

    /// <summary>Streams, sublayers, routing, index sets and compressed rows of the main prompt.</summary>
    public static void Trace(GoldenCase golden, ReferenceTrace trace, ErrorLog log)
    {
        int d = golden.Config.HiddenSize;
        for (int l = 0; l <= golden.Config.LayerCount; l++)
        {
            double[][] streams = golden.Slice("hidden_streams", l, golden.Config.HcMult * d);
            log.Compare("hidden_streams", At(golden, trace.StreamsAfter(l)), streams, Tolerances.Hidden);
        }

        for (int l = 0; l < golden.Config.LayerCount; l++)
        {
            BlockTrace layer = trace.Layers[l];
            log.Compare("attn_in", At(golden, layer.AttentionIn), golden.Slice("attn_in", l, d), Tolerances.Hidden);
            log.Compare("attn_out", At(golden, layer.Attention.Output), golden.Slice("attn_out", l, d), Tolerances.Hidden);
            log.Compare("ffn_in", At(golden, layer.ExpertsIn), golden.Slice("ffn_in", l, d), Tolerances.Hidden);
            log.Compare("ffn_out", At(golden, layer.Experts.Output), golden.Slice("ffn_out", l, d), Tolerances.Hidden);
            if (layer.Attention.Compressed is { } compressed)
            {
                log.Compare("compressed_kv", compressed.Rows, golden.Values.Rows($"compressed_kv.{l}"), Tolerances.Hidden);
            }
        }

        Sets(golden, trace, Tolerances.RouterWeights, log);
    }

    /// <summary>Which experts and which compressed entries each token used: sets that must be identical.</summary>
    public static void Sets(GoldenCase golden, ReferenceTrace trace, double weightTolerance, ErrorLog log)
    {
        for (int l = 0; l < golden.Config.LayerCount; l++)
        {
            double[][] ids = golden.Slice("router_idx", l, golden.Config.ExpertsPerToken);
            double[][] weights = golden.Slice("router_w", l, golden.Config.ExpertsPerToken);
            for (int t = 0; t < ids.Length; t++)
            {
                int[] expected = Array.ConvertAll(ids[t], id => (int)id);
                Routing routing = trace.Layers[l].Experts.Routings[t];
                log.Same($"router_idx of layer {l}, token {t}", routing.Ids.Order(), expected.Order());
                double[] found = [.. expected.Select(id => routing.Weights[Array.IndexOf(routing.Ids, id)])];
                log.Compare("router_w", found, weights[t], weightTolerance);
            }

            if (trace.Layers[l].Attention.Index is not { } index) continue;
            double[][] topK = golden.Values.Rows($"indexer_topk.{l}");
            for (int t = 0; t < topK.Length; t++)
            {
                log.Same($"indexer_topk of layer {l}, token {t}", index.TopK[t], topK[t].Where(entry => entry >= 0).Select(entry => (int)entry));
            }
        }
    }

    /// <summary>MTP's logits from the golden prompt, and the main model's streams it took (which the file calls its block's input).</summary>
    public static void Mtp(GoldenCase golden, double[][] mainStreams, double[][] logits, ErrorLog log)
    {
        log.CompareAbsolute("mtp.logits", logits, golden.Values.Rows("mtp.logits"), Tolerances.Logits);
        log.Compare("mtp.main_streams_all", mainStreams, golden.MainStreams(), Tolerances.Hidden);

        int[] positions = golden.Values.Ints("mtp.pos");
        double[][] entering = [.. golden.Values.Doubles("mtp.block_in").Chunk(golden.Config.HcMult * golden.Config.HiddenSize)];
        log.Compare("mtp.block_in", [.. positions.Select(t => mainStreams[t])], entering, Tolerances.Hidden);

        // The official block ends with the head, so what leaves it are logits, not streams.
        double[][] leaving = golden.Values.Rows("mtp.block_out");
        log.CompareAbsolute("mtp.block_out", [.. positions.Select(t => logits[t])], leaving, Tolerances.Logits);
    }

    public static int ArgMax(double[] row) => Array.IndexOf(row, row.Max());

    private static double[][] At(GoldenCase golden, double[][] rows) => [.. golden.HiddenPositions.Select(position => rows[position])];

    private static double[][] Absolute(double[][] actual, double[][] golden) =>
        [.. actual.Zip(golden, (a, g) => a.Zip(g, (x, y) => Math.Abs(x - y)).ToArray())];
}
