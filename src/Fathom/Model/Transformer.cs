using System.Diagnostics;
using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Model;

/// <summary>
/// The forward pass. T rows of several sequences go in; how they are cut into batches never changes a bit of any logit. Read on in
/// <see cref="Block"/>. Not thread-safe: one engine thread calls it.
/// </summary>
public sealed class Transformer : IDisposable
{
    private readonly Device _device;
    private readonly ModelWeights _weights;
    private readonly Block[] _blocks;
    private readonly ExpertsWeights[] _hashed;
    private readonly MultiTokenPrediction? _mtp;
    private readonly Workspace _workspace;
    private readonly Batch _ahead;

    /// <summary>A model ready to run.</summary>
    /// <param name="device">where the weights are</param>
    /// <param name="config">its shape</param>
    /// <param name="weights">its tensors; not owned</param>
    /// <param name="format">of the caches it will be given</param>
    /// <param name="maxRows">the largest batch</param>
    public Transformer(Device device, ModelConfig config, ModelWeights weights, CacheFormat format, int maxRows)
    {
        _device = device;
        _weights = weights;
        Config = config;
        Layout = new CacheLayout(config, format);
        _blocks = new Block[config.LayerCount];
        for (int i = 0; i < _blocks.Length; i++)
        {
            _blocks[i] = new Block(device, config, Layout.Plans[i]);
        }
        _hashed = [.. weights.Layers.Select(layer => layer.Experts).Where(experts => !experts.ExpertsByToken.IsNone)];
        _mtp = weights.Mtp is null ? null : new MultiTokenPrediction(device, config, Layout);
        _workspace = new Workspace(device, config, maxRows);
        _ahead = new Batch(maxRows);
    }

    /// <summary>The model's shape.</summary>
    public ModelConfig Config { get; }

    /// <summary>Layout of the caches.</summary>
    public CacheLayout Layout { get; }

    /// <summary>The largest batch.</summary>
    public int MaxRows => _ahead.MaxRows;

    /// <summary>Whether the checkpoint has an MTP block.</summary>
    public bool CanDraft => _mtp is not null;

    /// <summary>An empty sequence for this model.</summary>
    public SequenceCache NewSequence() => new(_device, Layout);

    /// <summary>An empty sequence whose bytes, and those of its forks, are counted.</summary>
    internal SequenceCache NewSequence(CacheUsage usage) => new(_device, Layout, usage);

    /// <summary>
    /// Runs a batch; its sequences remember the tokens. Returns the logits of <see cref="Batch.LogitRows"/>, (n, vocabulary), valid until the
    /// next call.
    /// </summary>
    public Tensor Forward(Batch batch) => Forward(batch, draft: false);

    /// <summary>The same, and MTP runs behind it, so that its window is ready to draft. Its logits are in <see cref="DraftLogits"/>.</summary>
    public Tensor ForwardAndDraft(Batch batch) => Forward(batch, draft: true);

    /// <summary>
    /// MTP's logits for tokens that the main model has not seen yet, one per sequence: what follows each. The sequences do not remember
    /// them. Needs every earlier token to have gone through <see cref="ForwardAndDraft"/>.
    /// </summary>
    public Tensor Draft(Batch batch)
    {
        ShiftStreams(batch, default);
        return RunAhead();
    }

    /// <summary>Remembers a sequence's tentative token, whose logits are known: all that is left to do is MTP's part.</summary>
    public void Confirm(SequenceCache sequence)
    {
        int token = sequence.Tentative;
        Debug.Assert(token != SequenceCache.None);
        if (_mtp is not null)
        {
            _ahead.Clear();
            _device.Copy(sequence.LastStreams, _workspace.ShiftedStreams(1));
            _ahead.Add(sequence, new ReadOnlySpan<int>(in token), sequence.Length - 1, logitCount: 0);
            RunAhead();
        }
        _device.Copy(sequence.TentativeStreams, sequence.LastStreams);
        sequence.Append(new ReadOnlySpan<int>(in token));
    }

    /// <summary>MTP's logits of the last <see cref="ForwardAndDraft"/>: of its logit rows, without those of tokens at position 0 and of pairs with a guess.</summary>
    public Tensor DraftLogits => _workspace.DraftLogits(_ahead.LogitRows.Length);

    /// <summary>Frees the activations; the weights belong to the caller.</summary>
    public void Dispose() => _workspace.Dispose();

    private Tensor Forward(Batch batch, bool draft)
    {
        Workspace s = _workspace;
        for (int i = 0; i < batch.Slices.Count; i++)
        {
            batch.Slices[i].Sequence.Reserve(batch.Slices[i].Count);
        }
        s.Begin(batch);
        AnnounceExperts(s.Tokens);
        _device.Embed(_weights.Embedding, s.Tokens, s.LayerInput);                        // (T) → (T, d)
        _device.HcExpand(s.LayerInput, s.Streams);                                        // → (T, n_hc, d), equal streams
        for (int i = 0; i < _blocks.Length; i++)
        {
            _blocks[i].Forward(batch, _weights.Layers[i], s.Streams, s);
        }
        Tensor logits = s.Logits(batch.LogitRows.Length);
        Output.Forward(_device, Config, batch, s.Streams, (_weights.HeadHc, _weights.Norm, _weights.Head), s, logits);
        if (draft)
        {
            ShiftStreams(batch, s.Streams);
        }
        Remember(batch, s.Streams);
        if (draft)
        {
            RunAhead();
        }
        return logits;
    }

    // Hash layers choose by the token alone.
    private void AnnounceExperts(in Tensor tokens)
    {
        foreach (ExpertsWeights experts in _hashed)
        {
            _device.WillNeed(experts.Routed, experts.ExpertsByToken, tokens);
        }
    }

    private void Remember(Batch batch, in Tensor streams)
    {
        for (int i = 0; i < batch.Slices.Count; i++)
        {
            BatchSlice slice = batch.Slices[i];
            int end = slice.FirstRow + slice.Kept;
            _device.Copy(streams.Row(end - 1), slice.Sequence.LastStreams);
            slice.Sequence.Append(batch.Tokens.Slice(slice.FirstRow, slice.Kept));
            if (slice.Tentative > 0)
            {
                _device.Copy(streams.Row(end), slice.Sequence.TentativeStreams);
                slice.Sequence.Propose(batch.Tokens[end]);
            }
        }
    }

    // MTP's batch: the same tokens one position back, each with the streams of the token before it. Position 0 has none.
    private void ShiftStreams(Batch batch, in Tensor streams)
    {
        Debug.Assert(_mtp is not null);
        _ahead.Clear();
        for (int i = 0; i < batch.Slices.Count; i++)
        {
            BatchSlice slice = batch.Slices[i];
            int skip = slice.FirstPosition == 0 ? 1 : 0, count = slice.Kept - skip, row = _ahead.Rows;
            if (count == 0)
            {
                continue;
            }
            Tensor shifted = _workspace.ShiftedStreams(row + count);
            if (skip == 0)
            {
                _device.Copy(slice.Sequence.LastStreams, shifted.Row(row));
            }
            if (slice.Kept > 1)
            {
                _device.Copy(streams.Slice(slice.FirstRow, slice.Kept - 1), shifted.Slice(row + 1 - skip, slice.Kept - 1));
            }
            // What follows a pair with a guess is drafted when its next token is known.
            int logits = slice.Tentative > 0 ? 0 : Math.Min(slice.LogitCount, count);
            _ahead.Add(slice.Sequence, batch.Tokens.Slice(slice.FirstRow + skip, count), slice.FirstPosition + skip - 1, logits);
        }
    }

    private Tensor RunAhead()
    {
        if (_ahead.Rows > 0)
        {
            _mtp!.Forward(_ahead, _weights, _weights.Mtp!, _workspace);                   // not null: asserted when the batch was made
        }
        return DraftLogits;
    }
}
