using Fathom.Cpu.Kernels;
using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Cpu;

public sealed partial class CpuDevice
{
    /// <inheritdoc/>
    public override void HcExpand(in Tensor x, in Tensor streams)
    {
        int d = x.Columns;
        for (int t = 0; t < x.Rows; t++)
        {
            Span<float> row = streams.Row(t).Span<float>();
            for (int i = 0; i < row.Length; i += d)
            {
                x.Row(t).Span<float>().CopyTo(row[i..]);
            }
        }
    }

    /// <inheritdoc/>
    public override void HcPre(in Tensor streams, HyperConnectionOperand hc, in Tensor y, in Tensor mix)
    {
        MatMul(hc.Projection, streams, mix);
        RunRows(streams, streams.Columns * 2L, new HcPreJob(streams, hc, y, mix));
    }

    /// <inheritdoc/>
    public override void HcPost(in Tensor streams, in Tensor f, in Tensor mix) =>
        RunRows(streams, (long)streams.Columns * (streams.Columns / f.Columns), new HcPostJob(streams, f, mix));

    /// <inheritdoc/>
    public override void HcHead(in Tensor streams, HyperConnectionOperand hc, in Tensor y, in Tensor mix)
    {
        MatMul(hc.Projection, streams, mix);
        RunRows(streams, streams.Columns * 2L, new HcHeadJob(streams, hc, y, mix));
    }

    private readonly struct HcPreJob(Tensor streams, HyperConnectionOperand hc, Tensor y, Tensor mix) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            int n = streams.Columns / y.Columns;
            for (int t = first; t < first + count; t++)
            {
                ReadOnlySpan<float> x = streams.Row(t).Span<float>();
                Span<float> weights = mix.Row(t).Span<float>();
                float inverseRoot = Kernels.RmsNorm.InverseRoot(x, hc.NormEpsilon);
                HyperConnection.Split(weights, inverseRoot, hc.Scale.Span<float>(), hc.Bias.Span<float>(), n, hc.Iterations, hc.Epsilon);
                HyperConnection.Mix(x, weights[..n], y.Row(t).Span<float>());
            }
        }
    }

    private readonly struct HcPostJob(Tensor streams, Tensor f, Tensor mix) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            int n = streams.Columns / f.Columns;
            for (int t = first; t < first + count; t++)
            {
                ReadOnlySpan<float> weights = mix.Row(t).Span<float>();
                HyperConnection.Post(streams.Row(t).Span<float>(), f.Row(t).Span<float>(), weights.Slice(n, n), weights[(2 * n)..]);
            }
        }
    }

    private readonly struct HcHeadJob(Tensor streams, HyperConnectionOperand hc, Tensor y, Tensor mix) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            for (int t = first; t < first + count; t++)
            {
                ReadOnlySpan<float> x = streams.Row(t).Span<float>();
                Span<float> weights = mix.Row(t).Span<float>();
                float factor = Kernels.RmsNorm.InverseRoot(x, hc.NormEpsilon) * hc.Scale.Span<float>()[0];
                ReadOnlySpan<float> bias = hc.Bias.Span<float>();
                for (int i = 0; i < weights.Length; i++)
                {
                    weights[i] = Rows.Sigmoid((weights[i] * factor) + bias[i]) + hc.Epsilon;
                }
                HyperConnection.Mix(x, weights, y.Row(t).Span<float>());
            }
        }
    }
}
