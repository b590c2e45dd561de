using System.Diagnostics;
using System.Runtime.InteropServices;
using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Model;

/// <summary>
/// What the model remembers of one sequence: a small state of its own, and blocks of compressed rows that forks share until one of
/// them writes. Used by the engine's thread only.
/// </summary>
public sealed class SequenceCache : IDisposable
{
    private readonly Device _device;
    private readonly CacheUsage _usage;
    private readonly Storage _state;
    private readonly List<CacheBlock> _blocks = [];
    private readonly List<Storage> _memory = [];
    private readonly List<int> _tokens = [];
    private Storage? _tentativeStreams;

    /// <summary>No token.</summary>
    public const int None = -1;

    /// <summary>An empty sequence.</summary>
    public SequenceCache(Device device, CacheLayout layout) : this(device, layout, new CacheUsage())
    {
    }

    internal SequenceCache(Device device, CacheLayout layout, CacheUsage usage)
    {
        (_device, _usage, Layout) = (device, usage, layout);
        _state = device.Allocate(layout.StateBytes, MemoryPurpose.Cache);
        usage.Add(_state.Bytes);
    }

    /// <summary>Where things lie.</summary>
    public CacheLayout Layout { get; }

    /// <summary>Tokens remembered.</summary>
    public int Length => _tokens.Count;

    /// <summary>Their ids.</summary>
    public ReadOnlySpan<int> Tokens => CollectionsMarshal.AsSpan(_tokens);

    /// <summary>
    /// A token behind the last whose rows are written and that may yet be another; <see cref="None"/> if there is none. Rows lie by position
    /// and a ring loses none that the next position needs, so another token just overwrites them.
    /// </summary>
    public int Tentative { get; private set; } = None;

    /// <summary>Bytes of state and blocks, shared ones included.</summary>
    public long ByteCount => _state.Bytes + (_blocks.Count * Layout.BlockBytes);

    /// <summary>Blocks that its tokens have.</summary>
    internal int BlockCount => _blocks.Count;

    /// <summary>Whether the next token needs a copy of the last block, because a fork shares it.</summary>
    internal bool SharesLastBlock => _blocks.Count > 0 && _blocks[^1].IsShared;

    /// <summary>Bytes that its disposal frees: the state, and blocks that no fork shares.</summary>
    internal long OwnBytes
    {
        get
        {
            long bytes = _state.Bytes;
            foreach (CacheBlock block in _blocks)
            {
                bytes += block.IsShared ? 0 : block.Memory.Bytes;
            }
            return bytes;
        }
    }

    /// <summary>Bytes of state and blocks that are not in <paramref name="counted"/> yet; they are then.</summary>
    internal long CountBytes(HashSet<Storage> counted)
    {
        long bytes = counted.Add(_state) ? _state.Bytes : 0;
        foreach (Storage block in _memory)
        {
            bytes += counted.Add(block) ? block.Bytes : 0;
        }
        return bytes;
    }

    /// <summary>The window ring of a layer: U8, (n_win, row bytes).</summary>
    public Tensor WindowRing(int layer) =>
        new(_state, Layout.Layers[layer].Window, DType.U8, 1, Layout.Config.SlidingWindow, Layout.KeyFormat.Bytes);

    /// <summary>The rings of a layer's compressor: a and b of its last tokens, F32, (w · ratio, w · c).</summary>
    public (Tensor Values, Tensor Gates) CompressorRings(int layer) =>
        Rings(Layout.Layers[layer].Compressor, Layout.Plans[layer], Layout.Config.HeadDim);

    /// <summary>The same for the compressor that makes the layer's index keys.</summary>
    public (Tensor Values, Tensor Gates) IndexRings(int layer) =>
        Rings(Layout.Layers[layer].IndexCompressor, Layout.Plans[layer], Layout.Config.IndexHeadDim);

    /// <summary>The streams of the last token, F32, (1, n_hc · d).</summary>
    public Tensor LastStreams => new(_state, Layout.LastStreams, DType.F32, 1, 1, Layout.Config.HcMult * Layout.Config.HiddenSize);

    /// <summary>The streams of the tentative token, in the same form.</summary>
    public Tensor TentativeStreams => new(
        _tentativeStreams ??= _device.Allocate(LastStreams.Count * sizeof(float), MemoryPurpose.Cache), 0, DType.F32, 1, 1, LastStreams.Columns);

    /// <summary>The compressed rows of a layer.</summary>
    public RowBlocks CompressedRows(int layer) =>
        new(_memory, Layout.Layers[layer].CompressedRows, Layout.Layers[layer].RowsPerBlock, Layout.KeyFormat);

    /// <summary>The index rows of a layer.</summary>
    public RowBlocks IndexRows(int layer) =>
        new(_memory, Layout.Layers[layer].IndexRows, Layout.Layers[layer].RowsPerBlock, Layout.IndexFormat);

    /// <summary>Makes room to append <paramref name="count"/> tokens: new blocks, and copies of shared ones that will be written.</summary>
    public void Reserve(int count)
    {
        for (int i = Layout.FirstBlockWritten(Length); i < _blocks.Count; i++)
        {
            if (_blocks[i].IsShared)
            {
                Replace(i, _blocks[i].Copy(_device));
            }
        }
        while ((long)_blocks.Count * CacheLayout.BlockTokens < Length + count)
        {
            var block = new CacheBlock(_device.Allocate(Layout.BlockBytes, MemoryPurpose.Cache), _usage);
            _blocks.Add(block);
            _memory.Add(block.Memory);
            _tokens.EnsureCapacity(_blocks.Count * CacheLayout.BlockTokens);
        }
    }

    /// <summary>Records tokens whose rows have been written.</summary>
    public void Append(ReadOnlySpan<int> tokens)
    {
        Debug.Assert((long)_blocks.Count * CacheLayout.BlockTokens >= Length + tokens.Length);
        _tokens.AddRange(tokens);
        Tentative = None;
    }

    /// <summary>Begins with tokens whose state and rows will be written from elsewhere; the sequence must be empty.</summary>
    internal void Begin(ReadOnlySpan<int> tokens)
    {
        Debug.Assert(Length == 0);
        Reserve(tokens.Length);
        Append(tokens);
    }

    /// <summary>A part of the state.</summary>
    internal Tensor State(ByteRange range) => Bytes(_state, range);

    /// <summary>A part of a block.</summary>
    internal Tensor Block(int index, ByteRange range) => Bytes(_memory[index], range);

    /// <summary>Records that the rows of the token behind the last are written too.</summary>
    internal void Propose(int token) => Tentative = token;

    /// <summary>An independent sequence with the same past, without the tentative token; blocks are shared, the state is copied.</summary>
    public SequenceCache Fork()
    {
        var fork = new SequenceCache(_device, Layout, _usage);
        _device.Copy(Bytes(_state), Bytes(fork._state));
        // Room for all of the blocks' tokens, so that no step has to grow the list.
        fork._tokens.EnsureCapacity(_blocks.Count * CacheLayout.BlockTokens);
        fork._tokens.AddRange(_tokens);
        foreach (CacheBlock block in _blocks)
        {
            fork._blocks.Add(block.Share());
            fork._memory.Add(block.Memory);
        }
        return fork;
    }

    /// <summary>Gives the state back, and the blocks that no fork shares.</summary>
    public void Dispose()
    {
        _usage.Remove(_state.IsDisposed ? 0 : _state.Bytes);
        _state.Dispose();
        _tentativeStreams?.Dispose();
        foreach (CacheBlock block in _blocks)
        {
            block.Dispose();
        }
        _blocks.Clear();
        _memory.Clear();
    }

    private static Tensor Bytes(Storage storage, ByteRange range) => new(storage, range.Offset, DType.U8, 1, 1, checked((int)range.Bytes));

    internal static Tensor Bytes(Storage storage) => new(storage, 0, DType.U8, 1, 1, checked((int)storage.Bytes));

    private void Replace(int index, CacheBlock block)
    {
        _blocks[index].Dispose();
        _blocks[index] = block;
        _memory[index] = block.Memory;
    }

    private (Tensor Values, Tensor Gates) Rings(long offset, LayerPlan plan, int dim)
    {
        int windows = plan.WindowsPerEntry, rows = windows * plan.Ratio, columns = windows * dim;
        var values = new Tensor(_state, offset, DType.F32, 1, rows, columns);
        return (values, new Tensor(_state, offset + (values.Count * sizeof(float)), DType.F32, 1, rows, columns));
    }
}

/// <summary>The compressed and index rows of 2,048 tokens in all layers; counted by the sequences that use it.</summary>
internal sealed class CacheBlock : IDisposable
{
    private readonly CacheUsage _usage;
    private int _users = 1;

    public CacheBlock(Storage memory, CacheUsage usage)
    {
        (Memory, _usage) = (memory, usage);
        usage.Add(memory.Bytes);
    }

    public Storage Memory { get; }

    public bool IsShared => _users > 1;

    public CacheBlock Share()
    {
        _users++;
        return this;
    }

    public CacheBlock Copy(Device device)
    {
        Storage copy = device.Allocate(Memory.Bytes, MemoryPurpose.Cache);
        device.Copy(SequenceCache.Bytes(Memory), SequenceCache.Bytes(copy));
        return new CacheBlock(copy, _usage);
    }

    /// <summary>One user fewer; the last one frees the memory.</summary>
    public void Dispose()
    {
        if (--_users == 0)
        {
            _usage.Remove(Memory.Bytes);
            Memory.Dispose();
        }
    }
}
