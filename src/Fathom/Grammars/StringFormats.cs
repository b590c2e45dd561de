namespace Fathom.Grammars;

/// <summary>The formats of strings that can be enforced, as patterns. Each takes a part of what its RFC allows, and nothing else.</summary>
internal static class StringFormats
{
    private const string Year = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)";
    private const string LeapYear = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)";
    private const string Days31 = "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])";
    private const string Days30 = "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)";
    private const string Days28 = "02-(?:0[1-9]|1[0-9]|2[0-8])";
    private const string Date = $"(?:{Year}-(?:{Days31}|{Days30}|{Days28})|{LeapYear}-02-29)";
    private const string Clock = "(?:[01][0-9]|2[0-3]):[0-5][0-9]";
    private const string Time = $@"{Clock}:[0-5][0-9](?:\.[0-9]{{1,6}})?(?:Z|[+-]{Clock})";
    private const string Label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,60}[A-Za-z0-9])?";
    private const string Octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    private const string Hex = "[0-9A-Fa-f]";

    private static readonly Dictionary<string, string> s_patterns = new()
    {
        ["date"] = Date,
        ["time"] = Time,
        ["date-time"] = $"{Date}T{Time}",
        ["email"] = $@"[A-Za-z0-9_+-]{{1,20}}(?:\.[A-Za-z0-9_+-]{{1,20}}){{0,2}}@{Label}(?:\.{Label}){{1,2}}",
        ["hostname"] = $@"{Label}(?:\.{Label}){{0,3}}",
        ["ipv4"] = $@"{Octet}(?:\.{Octet}){{3}}",
        ["ipv6"] = Ipv6(),
        ["uuid"] = $"{Hex}{{8}}-{Hex}{{4}}-{Hex}{{4}}-{Hex}{{4}}-{Hex}{{12}}",
    };

    /// <summary>The formats' names, for messages.</summary>
    public static string Names { get; } = string.Join(", ", s_patterns.Keys);

    /// <summary>The pattern of a format, or null if there is none.</summary>
    public static Pattern? Find(string name) => s_patterns.TryGetValue(name, out string? pattern) ? PatternReader.Whole(pattern) : null;

    // Eight groups; or fewer with one gap, written as two colons, of at least one group.
    private static string Ipv6()
    {
        const string Group = $"{Hex}{{1,4}}";
        var forms = new List<string> { $"{Group}(?::{Group}){{7}}" };
        for (int before = 0; before <= 7; before++)
        {
            string left = before == 0 ? "" : $"{Group}(?::{Group}){{{before - 1}}}";
            string right = before == 7 ? "" : $"(?:{Group}(?::{Group}){{0,{6 - before}}})?";
            forms.Add($"{left}::{right}");
        }

        return $"(?:{string.Join('|', forms)})";
    }
}
