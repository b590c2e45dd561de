using System.Runtime.InteropServices;
using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Tests.Model;

/// <summary>Logits of consecutive positions, as the bits of their singles; drafts where MTP ran.</summary>
internal sealed record Bits(List<int[]> Logits, List<int[]> Drafts)
{
    public static Bits None => new([], []);

    public void Add(Bits more)
    {
        Logits.AddRange(more.Logits);
        Drafts.AddRange(more.Drafts);
    }
}

/// <summary>A random model ready to run on the processor. Runs MTP behind every pass where the model has it, so that its bits are seen too.</summary>
internal sealed class TinyEngine : IDisposable
{
    private readonly CpuDevice _cpu;
    private readonly ModelWeights _weights;
    private readonly Batch _batch;

    /// <param name="model">what to load</param> <param name="format">of the caches</param> <param name="threads">of the processor</param>
    /// <param name="maxRows">largest batch</param> <param name="decorate">what stands before the processor, or null</param>
    public TinyEngine(RandomModel model, CacheFormat format, int threads = 2, int maxRows = 304, Func<Device, Device>? decorate = null)
    {
        _cpu = new CpuDevice(threads);
        Device = decorate?.Invoke(_cpu) ?? _cpu;
        _weights = model.Load(Device);
        _batch = new Batch(maxRows);
        Transformer = new Transformer(Device, model.Config, _weights, format, maxRows);
    }

    public Device Device { get; }

    public Transformer Transformer { get; }

    public ModelConfig Config => Transformer.Config;

    /// <summary>A cold run of all tokens at once.</summary>
    public Bits Run(ReadOnlySpan<int> tokens)
    {
        using SequenceCache sequence = Transformer.NewSequence();
        return Feed(sequence, tokens);
    }

    /// <summary>The next tokens of one sequence in one pass.</summary>
    public Bits Feed(SequenceCache sequence, ReadOnlySpan<int> tokens) => Feed([sequence], [tokens.ToArray()])[0];

    /// <summary>Cuts tokens into pieces of the largest batch; logits of the last piece alone are returned.</summary>
    public Bits FeedLong(SequenceCache sequence, ReadOnlySpan<int> tokens)
    {
        Bits bits = Bits.None;
        for (; tokens.Length > 0; tokens = tokens[Math.Min(tokens.Length, _batch.MaxRows)..])
        {
            bits = Feed(sequence, tokens[..Math.Min(tokens.Length, _batch.MaxRows)]);
        }

        return bits;
    }

    /// <summary>The next tokens of several sequences in one pass; the result of each.</summary>
    public Bits[] Feed(SequenceCache[] sequences, int[][] tokens)
    {
        _batch.Clear();
        int[] drafts = new int[sequences.Length];
        for (int i = 0; i < sequences.Length; i++)
        {
            drafts[i] = tokens[i].Length - (sequences[i].Length == 0 ? 1 : 0);
            _batch.Add(sequences[i], tokens[i], tokens[i].Length);
        }

        bool canDraft = Transformer.CanDraft;
        List<int[]> logits = Download(canDraft ? Transformer.ForwardAndDraft(_batch) : Transformer.Forward(_batch));
        List<int[]> draftLogits = canDraft ? Download(Transformer.DraftLogits) : [];
        var result = new Bits[sequences.Length];
        int row = 0, draftRow = 0;
        for (int i = 0; i < sequences.Length; i++)
        {
            result[i] = new Bits(
                logits.GetRange(row, tokens[i].Length), canDraft ? draftLogits.GetRange(draftRow, drafts[i]) : []);
            row += tokens[i].Length;
            draftRow += canDraft ? drafts[i] : 0;
        }

        return result;
    }

    /// <summary>The next token and a guess at the one behind it: the logits of both.</summary>
    public List<int[]> FeedWithGuess(SequenceCache sequence, int token, int guess)
    {
        _batch.Clear();
        _batch.AddWithGuess(sequence, [token, guess]);
        return Download(Transformer.CanDraft ? Transformer.ForwardAndDraft(_batch) : Transformer.Forward(_batch));
    }

    /// <summary>MTP's opinion of a token that the main model has not seen.</summary>
    public int[] Guess(SequenceCache sequence, int token)
    {
        _batch.Clear();
        _batch.Add(sequence, [token], 1);
        return Download(Transformer.Draft(_batch))[0];
    }

    public void Dispose()
    {
        Transformer.Dispose();
        _weights.Dispose();
        Device.Dispose();
        _cpu.Dispose();
    }

    private List<int[]> Download(in Tensor rows)
    {
        var result = new List<int[]>(rows.Rows);
        for (int t = 0; t < rows.Rows; t++)
        {
            int[] row = new int[rows.Columns];
            Device.Download(rows.Row(t), MemoryMarshal.AsBytes(row.AsSpan()));
            result.Add(row);
        }

        return result;
    }
}
