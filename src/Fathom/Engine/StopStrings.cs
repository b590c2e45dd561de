using System.Text;

namespace Fathom.Engine;

/// <summary>
/// Finds the first of several strings that end a text, while the text streams, and holds back only what might be the beginning of one. The
/// first is the one that is complete first; of those complete at the same character, the longest. However the text is cut into pieces, the
/// outcome is the same. One text, one object; one thread at a time.
/// </summary>
public sealed class StopStrings
{
    /// <summary>Strings at most.</summary>
    public const int CountMax = 16;

    private readonly string[] _stops;
    private readonly int[][] _fallbacks;     // of each string, by characters that matched: how many match after one that does not
    private readonly int[] _matched;
    private readonly StringBuilder _held = new();

    /// <summary>Strings that end a text; compared character by character.</summary>
    /// <exception cref="RequestException">there are more than 16, or one is empty</exception>
    public StopStrings(IReadOnlyList<string> stops)
    {
        ArgumentNullException.ThrowIfNull(stops);
        if (stops.Count > CountMax)
            throw new RequestException($"stop: expected at most {CountMax} strings, found {stops.Count}.");
        for (int i = 0; i < stops.Count; i++)
        {
            if (string.IsNullOrEmpty(stops[i]))
                throw new RequestException($"stop[{i}]: expected at least one character, found an empty string, which would end every text at once. Leave it out.");
        }

        _stops = [.. stops];
        _fallbacks = [.. _stops.Select(Fallback)];
        _matched = new int[_stops.Length];
    }

    /// <summary>The string that ended the text; null while none has.</summary>
    public string? Hit { get; private set; }

    /// <summary>Takes more of the text. What comes after a hit is dropped.</summary>
    /// <returns>What is now certain to stand before any stop string; often nothing.</returns>
    public string Push(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (Hit is not null)
            return "";
        foreach (char next in text)
        {
            _held.Append(next);
            Advance(next);
            if (Hit is not null)
                return Taken(_held.Length - Hit.Length);
        }

        return Taken(_held.Length - (_matched.Length == 0 ? 0 : _matched.Max()));
    }

    /// <summary>Says that nothing more will come.</summary>
    /// <returns>What had been held back: no stop string came of it.</returns>
    public string Flush() => Hit is null ? Taken(_held.Length) : "";

    private void Advance(char next)
    {
        for (int i = 0; i < _stops.Length; i++)
        {
            string stop = _stops[i];
            int matched = _matched[i];
            while (matched > 0 && stop[matched] != next)
                matched = _fallbacks[i][matched];
            _matched[i] = stop[matched] == next ? matched + 1 : 0;
            if (_matched[i] == stop.Length && stop.Length > (Hit?.Length ?? 0))
                Hit = stop;
        }
    }

    private string Taken(int length)
    {
        string text = _held.ToString(0, length);
        _held.Remove(0, length);
        return text;
    }

    private static int[] Fallback(string stop)
    {
        var fallback = new int[stop.Length + 1];
        for (int n = 1, match = 0; n < stop.Length; n++)
        {
            while (match > 0 && stop[n] != stop[match])
                match = fallback[match];
            if (stop[n] == stop[match])
                match++;
            fallback[n + 1] = match;
        }

        return fallback;
    }
}
