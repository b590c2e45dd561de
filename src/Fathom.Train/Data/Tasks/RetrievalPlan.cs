namespace Fathom.Train.Data.Tasks;

/// <summary>A sentence that states something.</summary>
/// <param name="Key">what it is about</param> <param name="Text">the sentence</param> <param name="Value">the part of the text that matters</param>
internal sealed record PlannedFact(string Key, string Text, Range Value);

/// <summary>A question with its answer.</summary>
/// <param name="Key">what is asked for</param> <param name="Text">question, answer and full stop</param> <param name="Answer">the part of the text</param>
/// <param name="Facts">places of the facts that give the answer</param>
internal sealed record PlannedQuery(string Key, string Text, Range Answer, int[] Facts);

/// <summary>What a retrieval task says and asks, before it is spread over a sequence. Facts come one group after the other: a group is asked for as one.</summary>
internal sealed class RetrievalPlan
{
    private const int ChainMax = 5;
    private const int ValuesMax = 3;

    // In training one wording of so many is of the list.
    private const int ListedOf = 5;

    private readonly SeededRandom _random;
    private readonly TaskKind _kind;
    private readonly Names _names;
    private readonly Wording _wording;
    private readonly string _listQuestion;
    private readonly List<string> _people = [];
    private readonly List<string> _things = [];
    private readonly HashSet<(string, string)> _pairs = [];

    public RetrievalPlan(SeededRandom random, TaskKind kind, Split split)
    {
        _random = random;
        _kind = kind;
        _names = new Names(random, split);
        _wording = ChooseWording(random, kind, split);
        _listQuestion = random.Pick(Splits.Of(Wordings.Lists, split));
    }

    /// <summary>The facts so far; their order is that of the text.</summary>
    public List<PlannedFact> Facts { get; } = [];

    /// <summary>One question per group of facts.</summary>
    public List<PlannedQuery> Queries { get; } = [];

    /// <summary>Adds a key with its fact or facts, and the question for it.</summary>
    public void AddGroup()
    {
        int first = Facts.Count;
        string key = Key();
        if (_kind == TaskKind.SeveralValues)
        {
            int count = 2 + _random.Next(ValuesMax - 1);
            string[] values = [.. Enumerable.Range(0, count).Select(_ => _names.Number())];
            foreach (string value in values)
                AddFact(key, value);
            AddQuery(_listQuestion, key, string.Join(", ", values), first);
            return;
        }

        string number = _names.Number();
        AddFact(key, number);
        if (_kind == TaskKind.Variables)
        {
            for (int hops = _random.Next(ChainMax); hops > 0; hops--)
            {
                string next = Key();
                AddFact(next, key);
                key = next;
            }
        }

        AddQuery(_wording.Question, key, number, first);
    }

    /// <summary>One of a list; in training mostly one put together anew.</summary>
    private static Wording ChooseWording(SeededRandom random, TaskKind kind, Split split)
    {
        bool composed = split == Split.Training && kind is not (TaskKind.Induction or TaskKind.Variables) && random.Next(ListedOf) > 0;
        if (composed)
            return kind == TaskKind.Needle ? ComposedWordings.Needle(random) : ComposedWordings.PassKey(random);
        Wording[] wordings = kind switch
        {
            TaskKind.Induction => Wordings.Induction,
            TaskKind.Variables => Wordings.Variables,
            TaskKind.Needle => Wordings.Needle,
            _ => Wordings.PassKey,
        };
        return random.Pick(Splits.Of(wordings, split));
    }

    private string Key() => _kind switch
    {
        TaskKind.SeveralKeys => Pair(),
        TaskKind.PassKey when _random.Next(2) == 0 => "the " + _names.Thing(),
        _ => _names.Person(),
    };

    /// <summary>Half of the parts are old: a decoy then shares the person or the thing, never both.</summary>
    private string Pair()
    {
        while (true)
        {
            string person = _people.Count > 0 && _random.Next(2) == 0 ? _random.Pick(_people) : Fresh(_people, _names.Person());
            string thing = _things.Count > 0 && _random.Next(2) == 0 ? _random.Pick(_things) : Fresh(_things, _names.Thing());
            if (_pairs.Add((person, thing)))
                return $"{person} with the {thing}";
        }
    }

    private static string Fresh(List<string> list, string name)
    {
        list.Add(name);
        return name;
    }

    private void AddFact(string key, string value)
    {
        string text = _wording.Fact.Replace("{k}", key, StringComparison.Ordinal);
        int at = text.IndexOf("{v}", StringComparison.Ordinal);
        text = text.Replace("{v}", value, StringComparison.Ordinal);
        Facts.Add(new PlannedFact(key, text, at..(at + value.Length)));
    }

    private void AddQuery(string question, string key, string answer, int firstFact)
    {
        string text = question.Replace("{k}", key, StringComparison.Ordinal);
        Queries.Add(new PlannedQuery(key, $"{text}{answer}.", text.Length..(text.Length + answer.Length),
            [.. Enumerable.Range(firstFact, Facts.Count - firstFact)]));
    }
}
