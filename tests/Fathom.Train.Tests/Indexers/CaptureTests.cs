using Fathom.Cpu;
using Fathom.Model;
using Fathom.Tests;
using Fathom.Tests.Reference;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;
using Fathom.Train.Indexers;
using Fathom.Train.Model;
using Fathom.Train.Tests.Model;
using Xunit;
using Transformer = Fathom.Train.Model.Transformer;

namespace Fathom.Train.Tests.Indexers;

public class CaptureTests
{
    [Fact]
    public void The_teacher_is_what_the_trainer_s_attention_teaches()
    {
        const int Rows = 90, Heads = 3, C = 24, Ratio = 4, Window = 8;
        var random = new Random(51);
        var entries = new Entries([new Sample(0, Rows)], Ratio);
        Variable Make(int rows, int columns) => new(
            rows, columns, Enumerable.Range(0, rows * columns).Select(_ => 2 * (random.NextSingle() - 0.5f)).ToArray(), default);
        Variable q = Make(Rows, Heads * C), kv = Make(Rows, C), compressed = Make(entries.Count, C), sinks = Make(1, Heads);
        using var pool = new WorkerPool(2);
        var tape = new Tape(pool);
        Variable expected = tape.New(Rows, entries.Most, needsGradient: false);
        expected.Value.Span.Clear();
        SparseAttention.Apply(tape, new AttentionInputs(q, kv, compressed, sinks), new AttentionPlan(entries, Window, null), expected);

        var teacher = new AttentionTeacher(Heads, C);
        for (int t = 0; t < Rows; t++)
        {
            int inWindow = Math.Min(Window, t + 1), visible = entries.VisibleAt(t);
            EntryMass found = teacher.Attend(
                q.Row(t), kv.Value.Span.Slice((t + 1 - inWindow) * C, inWindow * C), compressed.Value.Span[..(visible * C)], sinks.Value.Span,
                new float[teacher.ScratchFloats(inWindow, visible)]);
            Assert.Equal(visible, found.Entries.Length);
            Assert.Equal(expected.Row(t).ToArray().Sum(), found.Total, 1e-5f);
            for (int e = 0; e < visible; e++)
            {
                Assert.Equal(expected.Row(t)[e], found.Mass[e], 1e-6f);
            }
        }
    }

    /// <summary>The divergence has everything in it: inputs, latents, keys, rotations and the teacher. With all entries chosen the trunk is the same.</summary>
    [Fact]
    public void The_divergence_of_a_captured_text_is_the_trainer_s()
    {
        const int Rows = 300;
        ModelConfig config = TinyModels.Flash with { IndexTopK = Rows };
        Parameters p = TrainedModel.Parameters(config, ReferenceWeights.Random(config, 52));
        PackedBatch pack = TrainedModel.Pack(config, 53, Rows);
        using var pool = new WorkerPool(2);
        var tape = new Tape(pool);
        var step = new Step(tape, config, pack, new LossWeights(1, 0, 0, 1));
        new Transformer(p).Forward(step);
        double[] expected = [.. step.IndexerDivergence];

        using var folder = new TempFolder();
        ModelFolder.Save(p, folder.Root);
        using var device = new CpuDevice(2);
        var reader = new LongTextReader(config, device, Rows, tape);
        int[] places = [.. Enumerable.Range(0, Rows)];
        reader.Read(folder.Root, new TuningText(pack.Tokens.ToArray(), places, new bool[Rows]), TestContext.Current.CancellationToken);
        Assert.Equal([1, 3], reader.Layers.Select(layer => layer.Plan.Layer));
        foreach (LayerCapture layer in reader.Layers)
        {
            tape.Reset();
            (Variable scores, Variable teacher, Entries entries) = new IndexerFit(config, layer.Plan, p).Rate(tape, layer, places);
            double found = IndexerLoss.Apply(tape, scores, teacher, entries, selected: null, factor: 1);
            Assert.Equal(expected[layer.Plan.Layer], found, 1e-4 * expected[layer.Plan.Layer]);
        }
    }
}
