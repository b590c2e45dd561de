namespace Fathom.Serving;

/// <summary>How many prompt rows fit into a step, by what steps took so far.</summary>
internal sealed class StepPace(TimeSpan stepTime)
{
    private const int FirstRows = 32;

    // Prompts go on, however many sequences write.
    private const int LeastRows = 8;

    // Weight of the newest step in the averages.
    private const double Newest = 0.3;

    // After so many tokens a step counts half in what is forecast: a short prompt, dear by the token, says little of a long one.
    private const double HalfTokens = 2048;

    private double _secondsPerWritten;
    private double _secondsPerRead;
    private double _secondsRead;
    private double _tokensRead;
    private int _lastRows = FirstRows / 2;

    /// <summary>Seconds that a row of a prompt takes; 0 before any was measured.</summary>
    public double SecondsPerRead => _secondsPerRead;

    /// <summary>Rows of prompts for a step in which <paramref name="written"/> sequences write.</summary>
    public int PromptRows(int written)
    {
        if (_secondsPerRead == 0)
        {
            return FirstRows;
        }
        double left = stepTime.TotalSeconds - (written * _secondsPerWritten);
        // Doubled at most: a row is cheaper among many, and a guess from few would be too high or too low.
        return (int)Math.Clamp(left / _secondsPerRead, LeastRows, 2 * Math.Max(_lastRows, LeastRows));
    }

    /// <summary>How long it takes to read so many tokens while <paramref name="written"/> sequences write; null before anything was read.</summary>
    public TimeSpan? TimeToRead(long tokens, int written)
    {
        if (_tokensRead == 0)
        {
            return null;
        }
        double perToken = _secondsRead / _tokensRead, writing = written * _secondsPerWritten;
        double rows = Math.Max((stepTime.TotalSeconds - writing) / perToken, LeastRows);
        return TimeSpan.FromSeconds(tokens * (perToken + (writing / rows)));
    }

    /// <summary>What a step took.</summary>
    public void Took(TimeSpan time, int written, int read)
    {
        if (read == 0)
        {
            _secondsPerWritten = Average(_secondsPerWritten, time.TotalSeconds / written);
            return;
        }
        double reading = Math.Max(time.TotalSeconds - (written * _secondsPerWritten), 0.1 * time.TotalSeconds);
        _secondsPerRead = Average(_secondsPerRead, reading / read);
        double past = Math.Pow(0.5, read / HalfTokens);
        (_secondsRead, _tokensRead) = ((past * _secondsRead) + reading, (past * _tokensRead) + read);
        _lastRows = read;
    }

    private static double Average(double before, double now) => before == 0 ? now : before + (Newest * (now - before));
}
