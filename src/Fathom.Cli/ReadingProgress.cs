using System.Diagnostics;
using System.Globalization;

namespace Fathom.Cli;

/// <summary>A line on stderr while something long is read: how far, how fast, how long still. What is short shows nothing.</summary>
internal sealed class ReadingProgress(int total, bool quiet, string unit = "tokens")
{
    // A log keeps every line; a terminal overwrites one.
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(Console.IsErrorRedirected ? 10 : 1);

    private readonly long _begin = Stopwatch.GetTimestamp();
    private TimeSpan _shown;
    private int _found;
    private bool _visible;

    /// <summary>Says what was there already and took no time.</summary>
    public void Found(int done) => _found = done;

    public void Report(int done)
    {
        TimeSpan elapsed = Stopwatch.GetElapsedTime(_begin);
        if (quiet || elapsed - _shown < s_interval || done <= _found)
            return;
        _shown = elapsed;
        TimeSpan left = elapsed * ((double)(total - done) / (done - _found));
        string line = string.Create(CultureInfo.InvariantCulture, $"{done:N0} of {total:N0} {unit}, {(done - _found) / elapsed.TotalSeconds:N0}/s, {left:mm\\:ss} left");
        if (Console.IsErrorRedirected)
            Console.Error.WriteLine(line);
        else
            Console.Error.Write($"\r{line}   ");
        _visible = true;
    }

    public void End()
    {
        if (_visible && !Console.IsErrorRedirected)
            Console.Error.Write("\r\e[K");
    }
}
