using System.Diagnostics;
using System.Runtime.InteropServices;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Serving;

internal sealed partial class EngineLoop
{
    private const int FirstWarmUpRows = 8;

    // Steps are made twice as large until one takes this part of a step's time.
    private const double WarmUpShare = 0.5;

    /// <summary>
    /// Reads tokens of no meaning, so that code is compiled and weights are in memory before the first request, and so that its forecast knows a speed. A machine that
    /// can't is found out by the first request, which says so.
    /// </summary>
    private void WarmUp()
    {
        try
        {
            int rows = FirstWarmUpRows;
            TimeSpan took = Read(rows);
            while (took < WarmUpShare * _options.StepTime && 2 * rows <= Math.Min(_batch.MaxRows, _options.Context) && !_stops)
            {
                rows *= 2;
                took = Read(rows);
            }
            // The last size once more: the first time it may have met code that was not compiled.
            _pace.Took(Read(rows), written: 0, read: rows);
        }
        catch (Exception)
        {
            _batch.Clear();
        }
    }

    private TimeSpan Read(int rows)
    {
        const int Stride = 7919;                                                          // a prime, so that tokens and with them experts differ
        int[] tokens = [.. Enumerable.Range(0, rows).Select(i => (int)((long)i * Stride % _model.Config.VocabularySize))];
        using SequenceCache sequence = _model.Transformer.NewSequence();
        sequence.Reserve(rows);
        _batch.Clear();
        _batch.Add(sequence, tokens, logitCount: 1);
        long begin = Stopwatch.GetTimestamp();
        Tensor logits = _model.Transformer.Forward(_batch);
        _device.Download(logits.Row(0), MemoryMarshal.AsBytes(new float[_model.Config.VocabularySize].AsSpan()));
        return Stopwatch.GetElapsedTime(begin);
    }
}
