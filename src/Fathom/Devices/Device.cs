using Fathom.Tensors;

namespace Fathom.Devices;

/// <summary>
/// The one seam: where tensors live and operations run. Operations take views and write into given views; a call may return before the
/// work is done, and <see cref="Download"/> waits. Every output row depends on its own row (and its sequence's memory) alone, and no sum's
/// order depends on T. One thread at a time.
/// </summary>
public abstract class Device : IDisposable
{
    /// <summary>How it multiplies; what is kept of one mode's results belongs to that mode.</summary>
    public abstract NumericMode NumericMode { get; }

    /// <summary>Zeroed memory of this device.</summary>
    public abstract Storage Allocate(long bytes, MemoryPurpose purpose);

    /// <summary>Brings equal matrices of a checkpoint into the packed layout; the raw memory is not needed afterwards.</summary>
    public abstract WeightMatrix Pack(ReadOnlySpan<RawMatrix> stack);

    /// <summary>
    /// Brings matrices of this process's memory that are packed already. The result may be a view of that memory, which must then outlive it.
    /// </summary>
    public abstract WeightMatrix Place(WeightMatrix packed);

    /// <summary>Host to device.</summary>
    public abstract void Upload(ReadOnlySpan<byte> source, in Tensor target);

    /// <summary>Device to host; waits for the work that writes <paramref name="source"/>.</summary>
    public abstract void Download(in Tensor source, Span<byte> target);

    /// <summary>Copies elements between tensors of one shape.</summary>
    public abstract void Copy(in Tensor source, in Tensor target);

    /// <summary>y[t] = table[ids[t]], widened.</summary>
    /// <param name="table">F32 or BF16, (vocabulary, d)</param>
    /// <param name="ids">I32, (1, T)</param>
    /// <param name="y">(T, d)</param>
    public abstract void Embed(in Tensor table, in Tensor ids, in Tensor y);

    /// <summary>y = x Wᵀ.</summary>
    /// <param name="w">(N, K), one matrix</param>
    /// <param name="x">(T, K)</param>
    /// <param name="y">(T, N); not x</param>
    public abstract void MatMul(WeightMatrix w, in Tensor x, in Tensor y);

    /// <summary>y[t, g] = x[t, g] W_gᵀ: matrix g of the stack acts on the g-th piece of every row.</summary>
    /// <param name="w">G × (N, K)</param>
    /// <param name="x">(T, G · K)</param>
    /// <param name="y">(T, G · N); not x</param>
    public abstract void GroupedMatMul(WeightMatrix w, in Tensor x, in Tensor y);

    /// <summary>y = x / √(mean(x²) + ε) · w, row by row.</summary>
    /// <param name="x">(T, d)</param>
    /// <param name="weight">F32, (1, d), or none</param>
    /// <param name="epsilon">inside the root</param>
    /// <param name="y">(T, d); may be x</param>
    public abstract void RmsNorm(in Tensor x, in Tensor weight, float epsilon, in Tensor y);

    /// <summary>x += y.</summary>
    public abstract void Add(in Tensor x, in Tensor y);

    /// <summary>y[t] = x[rows[t]].</summary>
    /// <param name="x">F32, (T, d)</param>
    /// <param name="rows">I32, (1, n)</param>
    /// <param name="y">(n, d); not x</param>
    public abstract void Gather(in Tensor x, in Tensor rows, in Tensor y);

    /// <summary>Cosine and sine, interleaved, of position · frequency; the product is rounded to fp32.</summary>
    /// <param name="positions">I32, (1, T)</param>
    /// <param name="frequencies">F32, (1, r/2)</param>
    /// <param name="angles">(T, r)</param>
    public abstract void RopeAngles(in Tensor positions, in Tensor frequencies, in Tensor angles);

    /// <summary>Rotates interleaved pairs in the last r dimensions of every head.</summary>
    /// <param name="x">(T, heads · headDim), in place</param>
    /// <param name="headDim">dimensions of a head</param>
    /// <param name="angles">(T, r)</param>
    /// <param name="inverse">by the negative angle</param>
    public abstract void Rope(in Tensor x, int headDim, in Tensor angles, bool inverse);

    /// <summary>Rounds to the nearest bfloat16, in place.</summary>
    public abstract void RoundToBf16(in Tensor x);

    /// <summary>Orthogonal Walsh–Hadamard transform of every row, in place; the row length is a power of two.</summary>
    public abstract void Hadamard(in Tensor x);

    /// <summary>Rounds every row as storing it in <paramref name="format"/> would, in place.</summary>
    public abstract void RoundRows(in Tensor x, RowFormat format);

    /// <summary>Four equal streams: X[t, i] = x[t].</summary>
    /// <param name="x">(T, d)</param>
    /// <param name="streams">(T, n · d)</param>
    public abstract void HcExpand(in Tensor x, in Tensor streams);

    /// <summary>Before a sublayer: y = Σ_i pre_i X_i, and the weights that <see cref="HcPost"/> needs.</summary>
    /// <param name="streams">(T, n · d)</param>
    /// <param name="hc">the sublayer's hyper-connection</param>
    /// <param name="y">(T, d)</param>
    /// <param name="mix">(T, 2n + n²): pre, post, C</param>
    public abstract void HcPre(in Tensor streams, HyperConnectionOperand hc, in Tensor y, in Tensor mix);

    /// <summary>After a sublayer: X_k ← post_k f + Σ_j C[j, k] X_j.</summary>
    /// <param name="streams">(T, n · d), in place</param>
    /// <param name="f">the sublayer's output, (T, d)</param>
    /// <param name="mix">from <see cref="HcPre"/></param>
    public abstract void HcPost(in Tensor streams, in Tensor f, in Tensor mix);

    /// <summary>y = Σ_i w_i X_i with w = σ(fn · v · ρ · scale + bias) + ε.</summary>
    /// <param name="streams">(T, n · d)</param>
    /// <param name="hc">the head's hyper-connection</param>
    /// <param name="y">(T, d)</param>
    /// <param name="mix">scratch, (T, n)</param>
    public abstract void HcHead(in Tensor streams, HyperConnectionOperand hc, in Tensor y, in Tensor mix);

    /// <summary>The compressed entries that these tokens complete, before norm and rotation.</summary>
    /// <param name="operand">compressor inputs</param>
    /// <param name="entries">(<see cref="CompressOperand.EntryCount"/>, d)</param>
    public abstract void Compress(in CompressOperand operand, in Tensor entries);

    /// <summary>Encodes rows into blocks, from row <paramref name="first"/> on.</summary>
    public abstract void StoreRows(in Tensor rows, int first, in RowBlocks target);

    /// <summary>Encodes the rows of positions <paramref name="firstPosition"/> … into a ring, by position modulo its length.</summary>
    /// <param name="rows">(T, dim); where T exceeds the ring, only the last rows are kept</param>
    /// <param name="firstPosition">position of the first row</param>
    /// <param name="format">layout of a ring row</param>
    /// <param name="ring">U8, (length, <see cref="RowFormat.Bytes"/>)</param>
    public abstract void StoreRing(in Tensor rows, int firstPosition, RowFormat format, in Tensor ring);

    /// <summary>The window of T queries as one run of rows: the ring's last n_win − 1, decoded, then the T new ones.</summary>
    /// <param name="ring">U8, (n_win, bytes)</param>
    /// <param name="format">layout of a ring row</param>
    /// <param name="firstPosition">position of the first new row</param>
    /// <param name="rows">the new rows, (T, c)</param>
    /// <param name="window">(n_win − 1 + T, c); see <see cref="ContextOperand.Window"/></param>
    public abstract void LoadWindow(in Tensor ring, RowFormat format, int firstPosition, in Tensor rows, in Tensor window);

    /// <summary>The k best visible entries of each query by S_w = Σ_j ω_j ReLU(q_j · k_w); lower index first among equals.</summary>
    /// <param name="queries">(T, heads · d); where keys are FP4, rounded to FP4 by <see cref="RoundRows"/></param>
    /// <param name="weights">ω, (T, heads)</param>
    /// <param name="keys">index rows</param>
    /// <param name="ratio">tokens to an entry</param>
    /// <param name="firstPosition">position of the first query</param>
    /// <param name="selection">I32, (T, k): ascending, then −1</param>
    public abstract void SelectRows(
        in Tensor queries, in Tensor weights, in RowBlocks keys, int ratio, int firstPosition, in Tensor selection);

    /// <summary>Attention of every head over window and compressed rows, which are keys and values at once, with a sink per head.</summary>
    /// <param name="queries">(T, heads · c)</param>
    /// <param name="context">what they attend to</param>
    /// <param name="sinks">F32, (1, heads)</param>
    /// <param name="scale">factor on the scores</param>
    /// <param name="outputs">(T, heads · c); not queries</param>
    public abstract void SparseAttention(in Tensor queries, in ContextOperand context, in Tensor sinks, float scale, in Tensor outputs);

    /// <summary>Says which experts these tokens will go to, by a table, long before they do: weights on a disk can be read meanwhile.</summary>
    /// <param name="routed">the stacks</param>
    /// <param name="table">I32, (vocabulary, k)</param>
    /// <param name="ids">I32, (1, T)</param>
    public abstract void WillNeed(ExpertOperand routed, in Tensor table, in Tensor ids);

    /// <summary>Chooses experts by score plus bias; weights come from the scores alone.</summary>
    /// <param name="logits">(T, E); overwritten with the scores</param>
    /// <param name="bias">F32, (1, E)</param>
    /// <param name="routing">scores to weights</param>
    /// <param name="experts">I32, (T, k): descending by score plus bias</param>
    /// <param name="weights">(T, k)</param>
    public abstract void RouteByScore(in Tensor logits, in Tensor bias, RoutingOperand routing, in Tensor experts, in Tensor weights);

    /// <summary>Looks the experts up by token id; weights come from the scores.</summary>
    /// <param name="logits">(T, E); overwritten with the scores</param>
    /// <param name="table">I32, (vocabulary, k)</param>
    /// <param name="ids">I32, (1, T)</param>
    /// <param name="routing">scores to weights</param>
    /// <param name="experts">I32, (T, k)</param>
    /// <param name="weights">(T, k)</param>
    public abstract void RouteByHash(
        in Tensor logits, in Tensor table, in Tensor ids, RoutingOperand routing, in Tensor experts, in Tensor weights);

    /// <summary>y = Σ_e down_e(w_e · swiglu(gate_e x, up_e x)) + the shared expert, in slot order.</summary>
    /// <param name="x">(T, d)</param>
    /// <param name="experts">I32, (T, k)</param>
    /// <param name="weights">(T, k)</param>
    /// <param name="routed">the layer's experts</param>
    /// <param name="sharedExpert">the shared expert, or null</param>
    /// <param name="limit">SwiGLU's clamp; +∞ for none</param>
    /// <param name="y">(T, d); not x</param>
    public abstract void Experts(
        in Tensor x, in Tensor experts, in Tensor weights, ExpertOperand routed, ExpertOperand? sharedExpert, float limit, in Tensor y);

    /// <summary>Stops the device's threads and frees its scratch. Storages it allocated are their owners' to dispose.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases what the derived class holds.</summary>
    protected abstract void Dispose(bool disposing);
}
