using System.Globalization;

namespace Fathom.Train.Data.Tasks;

/// <summary>Random names that no two splits share. Tens of thousands each, so that a name says nothing about its value.</summary>
internal sealed class Names(SeededRandom random, Split split)
{
    private static readonly string[] s_onsets = ["b", "br", "c", "ch", "d", "dr", "f", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "r", "s", "st", "t", "th", "tr", "v", "w", "z"];
    private static readonly string[] s_vowels = ["a", "e", "i", "o", "u", "ai", "ea", "ou"];
    private static readonly string[] s_codas = ["", "", "l", "n", "r", "s", "m", "nd", "rk", "x"];

    private static readonly string[] s_qualities =
    [
        "amber", "ancient", "bitter", "black", "bright", "broken", "calm", "cold", "crooked", "dark", "deep", "distant", "dry", "early", "eastern", "empty",
        "fair", "faint", "fine", "gentle", "golden", "grave", "great", "green", "grey", "heavy", "hidden", "high", "hollow", "honest", "humble", "idle",
        "keen", "large", "late", "little", "lonely", "long", "loud", "low", "merry", "modest", "narrow", "noble", "northern", "old", "pale", "patient",
        "plain", "proud", "quick", "quiet", "rare", "red", "rich", "rough", "round", "royal", "sacred", "secret", "sharp", "silent", "silver", "slow",
        "small", "soft", "solemn", "southern", "steep", "strange", "strong", "sweet", "tall", "tender", "thin", "warm", "western", "white", "wide", "wild",
    ];

    private static readonly string[] s_things =
    [
        "anchor", "apple", "arrow", "barn", "basket", "bell", "boat", "book", "bottle", "branch", "bread", "bridge", "candle", "carriage", "castle", "chain",
        "chair", "cloak", "cloud", "coach", "coin", "corner", "crown", "desk", "door", "dragon", "drum", "eagle", "farm", "feather", "field", "flag",
        "flower", "forest", "fountain", "garden", "gate", "glass", "glove", "hammer", "harbour", "hat", "hill", "horn", "horse", "house", "island", "jewel",
        "kettle", "key", "knife", "ladder", "lake", "lamp", "letter", "lion", "mantle", "mill", "mirror", "mountain", "needle", "orchard", "oven", "paper",
        "pearl", "pillar", "river", "road", "robe", "rose", "sail", "shield", "ship", "spear", "staff", "stone", "table", "tent", "tower", "window",
    ];

    private readonly HashSet<string> _used = [];

    /// <summary>An invented name, «Brainor»; not one given before.</summary>
    public string Person() => Unused(() =>
    {
        string name = "";
        for (int syllables = 2 + random.Next(2); syllables > 0; syllables--)
            name += random.Pick(s_onsets) + random.Pick(s_vowels) + random.Pick(s_codas);
        return CultureInfo.InvariantCulture.TextInfo.ToTitleCase(name);
    });

    /// <summary>Two plain words, «amber lantern»; not given before.</summary>
    public string Thing() => Unused(() => $"{random.Pick(s_qualities)} {random.Pick(s_things)}");

    /// <summary>A group of three digits, not given before.</summary>
    public string Number() => UnusedOf(() => random.Next(1000).ToString("D3", CultureInfo.InvariantCulture));

    private string Unused(Func<string> make) => UnusedOf(() =>
    {
        string name = make();
        while (Splits.OfName(name) != split)
            name = make();
        return name;
    });

    private string UnusedOf(Func<string> make)
    {
        string name = make();
        while (!_used.Add(name))
            name = make();
        return name;
    }
}
