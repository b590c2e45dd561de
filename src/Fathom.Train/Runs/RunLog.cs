using System.Globalization;
using System.Text;

namespace Fathom.Train.Runs;

/// <summary>A run's figures as CSV, a line for each step, and its curves as a picture. A resumed run drops the lines beyond its state.</summary>
internal sealed class RunLog : IDisposable
{
    private const string Header = "step,loss,textLoss,answerLoss,mtpLoss,rate,tokensPerSecond,trunkNorm,indexerNorm,heldOutBitsPerByte,recall,divergence,leastLoad,mostLoad";

    private readonly RunFolder _folder;
    private readonly FileStream _lock;
    private readonly FileStream _file;
    private readonly StreamWriter _writer;
    private readonly List<(long Step, double Loss, double? HeldOut)> _points = [];

    /// <summary>Opens the log of a run that has done <paramref name="steps"/> steps.</summary>
    public RunLog(RunFolder folder, long steps)
    {
        _folder = folder;
        try
        {
            // Held by this process alone while it lives; a kill sets it free. The log itself stays open to readers.
            _lock = new FileStream(Path.Combine(folder.FolderPath, "run.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            _file = new FileStream(folder.LogPath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
            using var reader = new StreamReader(_file, Encoding.ASCII, leaveOpen: true);
            // Cut behind the last line to keep, never written anew: a kill here loses nothing.
            _file.SetLength(Keep(reader.ReadToEnd(), steps));
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            _file?.Dispose();
            _lock?.Dispose();
            throw new RunException($"{folder.LogPath}: expected a log to go on with, found: {problem.Message} Is another run in this folder?", problem);
        }
        _file.Seek(0, SeekOrigin.End);
        _writer = new StreamWriter(_file, new UTF8Encoding(false)) { NewLine = "\n" };
        if (_file.Length == 0)
        {
            _writer.WriteLine(Header);
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
    public void Dispose()
    {
        try
        {
            _writer.Dispose();
        }
        catch (Exception problem) when (problem is IOException or ArgumentOutOfRangeException)
        {
            // Lines behind the last checkpoint, which a resumed run drops anyway; the full disk has been told of by the checkpoint.
        }
        _lock.Dispose();
    }

    // Bytes of the header and the whole lines of steps that are done. A killed run's last line may be torn.
    private int Keep(string text, long steps)
    {
        int kept = 0;
        for (int end; (end = text.IndexOf('\n', kept)) >= 0; kept = end + 1)
        {
            string line = text[kept..end].TrimEnd('\r');
            if (kept == 0)
            {
                if (line != Header)
                {
                    break;
                }
                continue;
            }
            string[] cells = line.Split(',');
            if (cells.Length != Header.Split(',').Length || StepOf(line) > steps)
            {
                break;
            }
            _points.Add((StepOf(line), Number(cells[1]), cells[9].Length == 0 ? null : Number(cells[9])));
        }
        return kept;
    }

    private static long StepOf(string line) => long.Parse(line.AsSpan(0, line.IndexOf(',', StringComparison.Ordinal)), CultureInfo.InvariantCulture);

    private static double Number(string cell) => double.Parse(cell, CultureInfo.InvariantCulture);

    private static string Text(double? value) => value?.ToString("G6", CultureInfo.InvariantCulture) ?? "";
}
