using System.Text;
using Fathom.Text;

namespace Fathom.Train.Runs;

/// <summary>A text that is never trained on, cut into windows; a fixed sample of them tells how the run is going.</summary>
internal sealed class HeldOutText
{
    /// <summary>Tokens of a window.</summary>
    internal const int WindowTokens = 1024;

    private const int WindowsMax = 24;

    private readonly List<PackedBatch> _windows = [];
    private readonly double _tokensPerByte;
    private readonly long _targets;

    /// <summary>Reads and encodes the file.</summary>
    /// <exception cref="RunException">it is missing, empty or not UTF-8</exception>
    public HeldOutText(string path, Tokenizer tokenizer, int begin)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(RunText.Read(path));
        int[] ids = tokenizer.Encode(bytes, recognizeAddedTokens: false);
        if (ids.Length < 2)
        {
            throw new RunException($"{path}: expected a text of at least two tokens to evaluate, found {ids.Length}. Name another file as heldOut.");
        }
        _tokensPerByte = (double)ids.Length / bytes.Length;
        int windows = Math.Max(1, ids.Length / WindowTokens);
        // Spread evenly over the file: its sources lie one behind the other.
        int step = Math.Max(1, windows / WindowsMax);
        for (int w = 0; w < windows && _windows.Count < WindowsMax; w += step)
        {
            ReadOnlySpan<int> window = ids.AsSpan(w * WindowTokens, Math.Min(WindowTokens, ids.Length - (w * WindowTokens)));
            var batch = new PackedBatch();
            batch.Add([begin, .. window[..^1]], window.ToArray());
            _windows.Add(batch);
            _targets += window.Length;
        }
    }

    /// <summary>Of the sampled windows, the begin-of-text token in front of each, every token counted.</summary>
    public double BitsPerByte(Trainer trainer)
    {
        double nats = 0;
        foreach (PackedBatch window in _windows)
        {
            nats += trainer.Evaluate(window) * window.Rows;
        }
        return nats / _targets / Math.Log(2) * _tokensPerByte;
    }
}
