namespace Fathom.Train.Data.Tasks;

/// <summary>
/// Wordings put together from words, for training only: hundreds of thousands. With the twelve of a list for training a model learns those twelve by heart;
/// it then finds every number in their sentences and misses some in sentences it never saw.
/// </summary>
/// <remarks>The words of validation's and the test's wordings that say what is counted, and where, are none of these.</remarks>
internal static class ComposedWordings
{
    private static readonly string[] s_things =
    [
        "coins", "cups", "swords", "candles", "chairs", "stones", "roses", "loaves", "rings", "pictures", "songs", "poems", "wagons", "bricks", "nails", "pens",
        "shirts", "hats", "geese", "hens", "oxen", "goats", "fields", "doors", "windows", "ladders", "spoons", "bows", "arrows", "tents", "apples", "pears",
        "eggs", "fishes", "bottles", "baskets", "mirrors", "drums", "flags", "maps", "stories", "men", "women", "children", "soldiers", "servants", "cousins",
        "friends", "dogs", "cats", "birds", "sacks", "chests", "tables", "beds", "carpets", "clocks", "pots", "ropes", "axes", "knives",
        "pieces of gold", "pounds of tea", "yards of cloth", "tons of coal", "ears of corn", "sheets of paper", "strings of pearls", "pairs of shoes",
    ];

    private static readonly (string Past, string Base)[] s_deeds =
    [
        ("bought", "buy"), ("built", "build"), ("found", "find"), ("lost", "lose"), ("kept", "keep"), ("wanted", "want"), ("gave away", "give away"),
        ("took", "take"), ("saw", "see"), ("made", "make"), ("drew", "draw"), ("sent", "send"), ("lent", "lend"), ("burned", "burn"), ("hid", "hide"),
        ("broke", "break"), ("led", "lead"), ("won", "win"), ("owed", "owe"), ("gathered", "gather"), ("caught", "catch"), ("painted", "paint"),
        ("mended", "mend"), ("buried", "bury"), ("left", "leave"), ("stole", "steal"), ("received", "receive"), ("ordered", "order"), ("chose", "choose"),
        ("praised", "praise"), ("feared", "fear"), ("loved", "love"), ("fed", "feed"), ("hung", "hang"), ("weighed", "weigh"), ("described", "describe"),
    ];

    private static readonly string[] s_places =
    [
        "garden", "church", "school", "mill", "castle", "farm", "shop", "office", "cellar", "kitchen", "village", "kingdom", "inn", "bank", "port", "camp",
        "temple", "palace", "abbey", "store", "workshop", "stable", "park", "hall", "chapel", "barn", "cave", "wood", "town", "island", "court", "museum",
        "chamber", "vineyard", "forge", "cottage",
    ];

    private static readonly (string Past, string Base)[] s_holding =
        [("had", "have"), ("contained", "contain"), ("kept", "keep"), ("showed", "show"), ("needed", "need"), ("lost", "lose"), ("offered", "offer"), ("hid", "hide"), ("missed", "miss")];

    private static readonly string[] s_prepositions = ["in", "near", "behind", "around", "under", "opposite", "before"];

    private static readonly string[] s_events = ["wedding", "funeral", "trial", "market", "sale", "birth", "return", "arrival", "coronation", "sermon", "ball", "hunt"];

    private static readonly string[] s_works =
        ["note from", "message from", "speech by", "book by", "song by", "poem by", "order by", "gift from", "tale about", "word from", "will of", "report by", "call from"];

    private static readonly (string Past, string Base)[] s_telling =
        [("asked for", "ask for"), ("praised", "praise"), ("promised", "promise"), ("brought", "bring"), ("described", "describe"), ("cost", "cost"), ("mentioned", "mention"), ("demanded", "demand")];

    private static readonly string[] s_bodies =
        ["horse", "army", "ship", "fire", "wind", "storm", "clock", "mule", "river", "son", "daughter", "servant", "friend", "wheel", "herd", "fleet", "choir", "hammer", "dog", "crowd"];

    private static readonly (string Past, string Base, string Units, string Ask)[] s_motions =
    [
        ("ran", "run", "miles", "far"), ("marched", "march", "leagues", "far"), ("travelled", "travel", "furlongs", "far"), ("fell", "fall", "fathoms", "deep"),
        ("sang", "sing", "hours", "long"), ("slept", "sleep", "nights", "long"), ("burned", "burn", "minutes", "long"), ("stayed", "stay", "weeks", "long"),
        ("wandered", "wander", "months", "long"), ("turned", "turn", "rounds", "much"), ("struck", "strike", "blows", "hard"), ("rose", "rise", "inches", "high"),
        ("served", "serve", "years", "long"), ("spoke", "speak", "words", "much"), ("cried", "cry", "hours", "long"), ("called", "call", "names", "much"),
    ];

    private static readonly string[] s_tails =
    [
        "", "", "", " in the spring", " before noon", " last year", " by the wall", " for the king", " at night", " with great joy", " in the end", " without a word", " on the hill",
        " that day", " beyond the sea", " for nothing", " in secret", " at dawn",
    ];

    private static readonly string[] s_openings =
        ["", "", "", "", " It is true that", " We heard that", " Everyone knew that", " In those days", " They say that", " Be it known that", " Once", " I think that", " At last", " Some say that"];

    private static readonly string[] s_secrets =
    [
        "sign", "cipher", "token", "seal", "rank", "badge", "ticket", "place in the list", "page", "room", "seat", "bed", "cell", "account", "score", "height", "weight", "age",
        "share", "charge", "debt", "pay", "reward", "label", "index", "stamp", "line", "post", "house number", "lot", "prize", "value",
    ];

    private static readonly (string Fact, string Question)[] s_naming =
    [
        (" The {n} of {k} is {v}.", " What is the {n} of {k}? The {n} of {k} is "),
        (" The {n} of {k} was {v}.", " What was the {n} of {k}? It was "),
        (" {k} has the {n} {v}.", " Which {n} has {k}? {k} has the {n} "),
        (" {k} got {v} as the {n}.", " What did {k} get as the {n}? {k} got "),
        (" As the {n} for {k} we wrote {v}.", " What did we write as the {n} for {k}? As the {n} for {k} we wrote "),
        (" On the {n} of {k} one reads {v}.", " What does one read on the {n} of {k}? On the {n} of {k} one reads "),
        (" Let the {n} for {k} be {v}.", " What shall the {n} for {k} be? Let the {n} for {k} be "),
        (" {k} keeps the {n} {v}.", " Give the {n} of {k}. The {n} that {k} keeps is "),
        (" To {k} belongs the {n} {v}.", " Which {n} belongs to {k}? To {k} belongs the {n} "),
        (" {v} is the {n} of {k}.", " Name the {n} of {k}. The {n} of {k} is "),
        (" With {k} goes the {n} {v}.", " Which {n} goes with {k}? With {k} goes the {n} "),
        (" The {n} given to {k} was {v}.", " Which {n} was given to {k}? The {n} given to {k} was "),
    ];

    /// <summary>A sentence that counts something, and a question for the number.</summary>
    public static Wording Needle(SeededRandom random) => random.Next(16) switch
    {
        < 5 => Doing(random, "{k}", random.Pick(s_deeds)),
        < 8 => Doing(random, $"the {random.Pick(s_places)} of {{k}}", random.Pick(s_holding)),
        < 10 => Doing(random, $"the {random.Pick(s_works)} {{k}}", random.Pick(s_telling)),
        < 12 => Moving(random, random.Next(3) == 0 ? "{k}" : $"the {random.Pick(s_bodies)} of {{k}}"),
        < 14 => Being(random, $"{random.Pick(s_prepositions)} the {random.Pick(s_places)} of {{k}}"),
        < 15 => Feasting(random, $"at the {random.Pick(s_events)} of {{k}}", random.Pick(s_deeds)),
        _ => NumberFirst(random, $"the {random.Pick(s_places)} of {{k}}"),
    };

    /// <summary>A sentence that gives a number as what a noun names, and a question for it.</summary>
    public static Wording PassKey(SeededRandom random)
    {
        (string fact, string question) = random.Pick(s_naming);
        string noun = random.Pick(s_secrets);
        return new Wording(fact.Replace("{n}", noun, StringComparison.Ordinal), question.Replace("{n}", noun, StringComparison.Ordinal));
    }

    private static Wording Doing(SeededRandom random, string who, (string Past, string Base) deed)
    {
        string things = random.Pick(s_things), opening = random.Pick(s_openings);
        string fact = opening.Length > 0 ? $"{opening} {who}" : $" {Sentence(who)}";
        string question = random.Next(4) switch
        {
            0 => $" How many {things} did {who} {deed.Base}? {Sentence(who)} {deed.Past} ",
            1 => $" How many {things} did {who} {deed.Base}? The {things} that {who} {deed.Past} were ",
            2 => $" Say how many {things} {who} {deed.Past}. The number of {things} that {who} {deed.Past} is ",
            _ => $" {Sentence(who)} {deed.Past} how many {things}? They were ",
        };
        return new Wording($"{fact} {deed.Past} {{v}} {things}{random.Pick(s_tails)}.", question);
    }

    private static Wording Moving(SeededRandom random, string who)
    {
        (string past, string verb, string units, string ask) = random.Pick(s_motions);
        string answer = random.Next(2) == 0 ? $"The {units} that {who} {past} were " : $"{Sentence(who)} {past} ";
        return new Wording($" {Sentence(who)} {past} {{v}} {units}{random.Pick(s_tails)}.", $" How {ask} did {who} {verb}? {answer}");
    }

    private static Wording Being(SeededRandom random, string where)
    {
        string things = random.Pick(s_things);
        return new Wording($" {Sentence(where)} there were {{v}} {things}.", $" How many {things} were {where}? {Sentence(where)} there were ");
    }

    private static Wording Feasting(SeededRandom random, string when, (string Past, string Base) deed)
    {
        string things = random.Pick(s_things);
        return new Wording($" {Sentence(when)} they {deed.Past} {{v}} {things}.", $" How many {things} did they {deed.Base} {when}? {Sentence(when)} they {deed.Past} ");
    }

    private static Wording NumberFirst(SeededRandom random, string where)
    {
        string things = random.Pick(s_things);
        return new Wording($" {{v}} {things} were in {where}{random.Pick(s_tails)}.", $" How many {things} were in {where}? The {things} in {where} were ");
    }

    private static string Sentence(string words) => words[0] == '{' ? words : char.ToUpperInvariant(words[0]) + words[1..];
}
