using System.Runtime.InteropServices;
using CsCheck;
using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Engine;
using Fathom.Model;
using Fathom.Tensors;
using Fathom.Tests;
using Xunit;

namespace Fathom.Parity;

/// <summary>Same input, same bits, for the bundled model, whose matrices are large enough to be shared out among threads even for one token.</summary>
public class SameBitsBundledModelTests
{
    private const int Length = 280;

    [Theory]
    [InlineData(CacheFormat.F32, NumericMode.Exact)]
    [InlineData(CacheFormat.Mixed, NumericMode.Exact)]
    [InlineData(CacheFormat.F32, NumericMode.Fast)]
    [InlineData(CacheFormat.Mixed, NumericMode.Fast)]
    public void On_any_number_of_threads_in_any_chunks(CacheFormat format, NumericMode numeric)
    {
        using Subject one = new(1, format, numeric), two = new(2, format, numeric), three = new(3, format, numeric);
        int[] tokens = SameBitsEngines.Tokens(one.Model.Config, Length, 5);
        byte[][] cold = one.Run(tokens, [Length]);
        Gen.Select(Gen.OneOf(Gen.Const(one), Gen.Const(two), Gen.Const(three)), Gen.Frequency((2, Gen.Const(1)), (1, Gen.Int[2, 150])).Array[1, 40]).Sample((subject, chunks) =>
        {
            byte[][] found = subject.Run(tokens, chunks);
            for (int t = 0; t < found.Length; t++)
            {
                Assert.True(found[t].AsSpan().SequenceEqual(cold[t]), $"{format} {numeric}, position {t} of chunks {string.Join(' ', chunks)} on {subject.Threads} threads");
            }
        }, iter: 8, threads: 1);
    }

    private sealed class Subject : IDisposable
    {
        private readonly CpuDevice _device;
        private readonly Batch _batch = new(Length);

        public Subject(int threads, CacheFormat format, NumericMode numeric)
        {
            _device = new CpuDevice(threads, numeric);
            Model = LanguageModel.Load(TestFiles.Path("models", "fathom-nano"), _device, new LoadOptions { CacheFormat = format, MaxRows = Length });
        }

        public LanguageModel Model { get; }

        public int Threads => _device.Threads;

        /// <summary>Logits of each position; the last chunk may be cut off.</summary>
        public byte[][] Run(int[] tokens, int[] chunks)
        {
            using SequenceCache sequence = Model.Transformer.NewSequence();
            var logits = new List<byte[]>();
            foreach (int chunk in chunks)
            {
                int count = Math.Min(chunk, tokens.Length - sequence.Length);
                if (count == 0) break;
                _batch.Clear();
                _batch.Add(sequence, tokens.AsSpan(sequence.Length, count), count);
                Tensor rows = Model.Transformer.Forward(_batch);
                float[] values = new float[rows.Count];
                _device.Download(rows, MemoryMarshal.AsBytes(values.AsSpan()));
                logits.AddRange(values.Chunk(rows.Columns).Select(row => MemoryMarshal.AsBytes<float>(row).ToArray()));
            }

            return [.. logits];
        }

        public override string ToString() => $"{Threads} threads";

        public void Dispose()
        {
            Model.Dispose();
            _device.Dispose();
        }
    }
}
