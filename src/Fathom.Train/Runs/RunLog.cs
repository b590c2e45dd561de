using System.Globalization;
using System.Text;

namespace Fathom.Train.Runs;

/// <summary>A run's figures as CSV, a line for each step, and its curves as a picture. A resumed run drops the lines beyond its state.</summary>
internal sealed class RunLog : IDisposable
{
    private const string Header = "step,loss,textLoss,answerLoss,mtpLoss,rate,tokensPerSecond,trunkNorm,indexerNorm,heldOutBitsPerByte,recall,divergence,leastLoad,mostLoad";

    private readonly RunFolder _folder;
    private readonly StreamWriter _writer;
    private readonly List<(long Step, double Loss, double? HeldOut)> _points = [];

    /// <summary>Opens the log of a run that has done <paramref name="steps"/> steps.</summary>
    public RunLog(RunFolder folder, long steps)
    {
        _folder = folder;
        string[] kept = File.Exists(folder.LogPath) ? [.. File.ReadLines(folder.LogPath).Skip(1).Where(line => StepOf(line) <= steps)] : [];
        _writer = new StreamWriter(folder.LogPath, append: false, new UTF8Encoding(false));
        _writer.WriteLine(Header);
        foreach (string line in kept)
        {
            _writer.WriteLine(line);
            string[] cells = line.Split(',');
            _points.Add((StepOf(line), Number(cells[1]), cells[9].Length == 0 ? null : Number(cells[9])));
        }
    }

    /// <summary>Adds a step.</summary>
    public void Add(StepStatistics s, double? heldOut)
    {
        _points.Add((s.Step, s.Loss, heldOut));
        double[] shares = [.. s.ExpertShares.SelectMany(layer => layer.Select(share => share * layer.Count))];
        string recall = string.Join(' ', s.IndexerRecall.Where(value => value is not null).Select(value => Text(value ?? 0)));
        string divergence = string.Join(' ', s.IndexerDivergence.Where((_, layer) => s.IndexerRecall[layer] is not null).Select(value => Text(value)));
        _writer.WriteLine(string.Join(',',
            s.Step.ToString(CultureInfo.InvariantCulture), Text(s.Loss), Text(s.TextLoss), Text(s.AnswerLoss), Text(s.MtpLoss), Text(s.Rate), Text(s.TokensPerSecond), Text(s.TrunkNorm),
            Text(s.IndexerNorm), Text(heldOut), recall, divergence, Text(shares.DefaultIfEmpty().Min()), Text(shares.DefaultIfEmpty().Max())));
    }

    /// <summary>Writes what is pending and draws the curves.</summary>
    public void Flush()
    {
        _writer.Flush();
        File.WriteAllText(_folder.CurvePath, CurvePicture.Draw(_points));
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _writer.Dispose();

    private static long StepOf(string line) => long.Parse(line.AsSpan(0, line.IndexOf(',', StringComparison.Ordinal)), CultureInfo.InvariantCulture);

    private static double Number(string cell) => double.Parse(cell, CultureInfo.InvariantCulture);

    private static string Text(double? value) => value?.ToString("G6", CultureInfo.InvariantCulture) ?? "";
}
