using System.Globalization;
using Fathom.Checkpoints;
using Fathom.Model;

namespace Fathom.Verification;

/// <summary>Tells at the door whether a golden case belongs to a model of this shape.</summary>
internal static class CaseShape
{
    private const string Next = "Does the case belong to this model?";

    private static readonly string[] s_layered = ["attn_in", "attn_out", "ffn_in", "ffn_out", "attn_in_all", "attn_out_all", "router_idx", "router_w"];
    private static readonly string[] s_named = ["window_kv", "compressed_kv", "index_k", "index_q", "indexer_topk"];

    public static void CheckAgainst(GoldenCase goldenCase, ModelConfig config)
    {
        CheckIds(goldenCase.Prompt, goldenCase.Greedy, "", config);
        foreach (ShortPrompt prompt in goldenCase.ShortPrompts)
        {
            CheckIds(prompt.Prompt, prompt.Greedy, prompt.Name + ".", config);
        }
        foreach (string name in goldenCase.TensorNames)
        {
            if (name.Split('.')[^1] is "prefill_logits" or "decode_logits" || name == "mtp.logits")
            {
                int columns = goldenCase.Rows(name).Columns;
                Require(columns == config.VocabularySize, name, $"{config.VocabularySize} columns, the model's vocabulary", $"{columns}");
            }
        }
        Layer(goldenCase, "hidden_streams", config.LayerCount + 1);
        foreach (string name in s_layered)
        {
            Layer(goldenCase, name, config.LayerCount);
        }
        CheckNames(goldenCase, config);
    }

    private static void CheckIds(IReadOnlyList<int> prompt, IReadOnlyList<int> greedy, string prefix, ModelConfig config)
    {
        Require(prompt.Count > 0, prefix + "prompt_ids", "at least one token", "none");
        long length = (long)prompt.Count + Math.Max(0, greedy.Count - 1);
        Require(length <= config.MaxPositions, prefix + "prompt_ids", $"at most {config.MaxPositions} tokens with greedy_ids, the model's longest context", $"{length}");
        foreach ((IReadOnlyList<int> ids, string name) in new[] { (prompt, "prompt_ids"), (greedy, "greedy_ids") })
        {
            for (int i = 0; i < ids.Count; i++)
            {
                Require(ids[i] >= 0 && ids[i] < config.VocabularySize, $"{prefix}{name}[{i}]",
                    $"a token id from 0 to {config.VocabularySize - 1}, the model's vocabulary", $"{ids[i]}");
            }
        }
    }

    // (layers, positions, …): the positions that the case has chosen, or all.
    private static void Layer(GoldenCase goldenCase, string name, int layers)
    {
        if (!goldenCase.Has(name))
        {
            return;
        }
        IReadOnlyList<int> shape = goldenCase.Rows(name).Shape;
        Require(shape.Count >= 3 && shape[0] == layers, name, $"({layers}, positions, …) for a model of {layers} layers", $"({string.Join(", ", shape)})");
        if (goldenCase.Has("hidden_pos") && !name.EndsWith("_all", StringComparison.Ordinal) && !name.StartsWith("router", StringComparison.Ordinal))
        {
            int positions = goldenCase.Rows("hidden_pos").Values.Length;
            Require(shape[1] == positions, name, $"the {positions} positions of hidden_pos in its second dimension", $"{shape[1]}");
        }
    }

    private static void CheckNames(GoldenCase goldenCase, ModelConfig config)
    {
        foreach (string name in goldenCase.TensorNames)
        {
            string kind = name.Split('.')[0];
            if (s_named.Contains(kind))
            {
                string layer = name[Math.Min(name.Length, kind.Length + 1)..];
                Require(int.TryParse(layer, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number < config.LayerCount,
                    name, $"the number of one of {config.LayerCount} layers at its end", $"\"{layer}\"");
            }
        }
    }

    private static void Require(bool holds, string name, string expected, string found)
    {
        if (!holds)
        {
            throw new CheckpointException($"{name}: expected {expected}, found {found} in the case. {Next}");
        }
    }
}
