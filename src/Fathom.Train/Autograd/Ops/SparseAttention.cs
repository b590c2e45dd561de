using Fathom.Cpu.Kernels;

namespace Fathom.Train.Autograd.Ops;

/// <summary>What attention reads.</summary>
/// <param name="Queries">(T, h · c), rotated</param> <param name="Window">(T, c), key and value of every head</param>
/// <param name="Compressed">(entries, c), or null</param> <param name="Sinks">(1, h)</param>
internal sealed record AttentionInputs(Variable Queries, Variable Window, Variable? Compressed, Variable Sinks);

/// <summary>Which keys a query sees.</summary>
/// <param name="Entries">where samples and entries lie</param> <param name="WindowSize">n_win</param>
/// <param name="Selected">(T, stride), zero for an entry that is not attended to; null for all visible ones</param>
internal sealed record AttentionPlan(Entries Entries, int WindowSize, Variable? Selected);

/// <summary>
/// Every head attends to its window and to compressed entries under one softmax with a sink; keys are values. With z_j = a ⟨q, k_j⟩:
/// p_j = e^(z_j) / (Σ e^z + e^sink), o = Σ p_j k_j.
/// </summary>
/// <remarks>
/// g = do: δ = Σ p_j ⟨g, k_j⟩; dz_j = p_j (⟨g, k_j⟩ − δ); dsink = −p_sink δ; dq = a Σ dz_j k_j; dk_j = Σ a dz_j q + p_j g. Of the forward
/// pass one number a query and head is kept; keys' gradients are summed within groups of queries, then over the groups in order.
/// </remarks>
internal static class SparseAttention
{
    /// <param name="tape">where to record</param> <param name="x">inputs</param> <param name="plan">what is visible</param>
    /// <param name="teacher">(T, stride), or null: receives Σ_heads p of every compressed entry; zeroed</param>
    /// <returns>(T, h · c)</returns>
    public static Variable Apply(Tape tape, AttentionInputs x, AttentionPlan plan, Variable? teacher)
    {
        Variable y = tape.New(x.Queries.Rows, x.Queries.Columns, x.Queries.NeedsGradient);
        y.Value.Span.Clear();
        var pass = new AttentionPass(x, plan, y, tape.Take(x.Queries.Rows * x.Sinks.Columns));
        QueryGroup[] groups = QueryGroups.Of(plan.Entries.Samples);
        tape.ParallelLarge(groups.Length, (i, worker) => groups[i].ForEachBlock(block =>
            pass.Forward(block, tape.Scratch(worker, pass.ScratchFloats(block)), teacher)));
        if (y.NeedsGradient)
        {
            tape.Record(() => Backward(tape, x, plan, pass, groups));
        }
        return y;
    }

    private static void Backward(Tape tape, AttentionInputs x, AttentionPlan plan, AttentionPass pass, QueryGroup[] groups)
    {
        int heads = x.Sinks.Columns;
        var sums = new Memory<float>[groups.Length];
        for (int i = 0; i < groups.Length; i++)
        {
            sums[i] = tape.TakeZeroed(pass.SumFloats(groups[i]) + heads);
        }
        tape.ParallelLarge(groups.Length, (i, worker) => groups[i].ForEachBlock(block =>
            pass.Backward(block, groups[i], tape.Scratch(worker, pass.ScratchFloats(block)), sums[i].Span[heads..], sums[i].Span[..heads])));
        for (int i = 0; i < groups.Length; i++)
        {
            Rows.Add(sums[i].Span[..heads], x.Sinks.Gradient.Span);
        }
        IReadOnlyList<Sample> samples = plan.Entries.Samples;
        tape.ParallelLarge(samples.Count, (s, _) =>
        {
            for (int i = 0; i < groups.Length; i++)
            {
                if (groups[i].Sample == s)
                {
                    pass.AddKeySums(groups[i], sums[i].Span[heads..]);
                }
            }
        });
    }
}
