using System.Globalization;
using System.Text;
using Fathom.Text;

namespace Fathom.Train.Data.Tasks;

/// <summary>
/// Contracts of pairs of parties in one text, and a chat about them: each answer is a quotation of one clause. Half of the texts have one
/// contract, as long as there is room, and questions that mostly don't name its parties; in the others, contracts beside it have clauses of the
/// same kinds with other values. Immutable; safe from any thread.
/// </summary>
/// <remarks>
/// An answer begins with the blank in front of its words: tokens of words hold the blank before them, so without it the first token of a
/// quotation would be another than the source's, and could not be copied.
/// </remarks>
public sealed partial class ContractTask
{
    /// <summary>A sample is at most this much shorter than asked: chat turns can't be cut.</summary>
    public const int Slack = 16;

    /// <summary>Tokens that a conversation needs at least.</summary>
    public const int MinLength = 256;

    private const int QuestionsMax = 16;
    private const int ContractsMax = 40;
    private const double ContractShare = 0.5;
    private const int ClauseTokens = 16;
    private const int ClausesLeast = 3;
    private const int ClausesMost = 8;

    private static readonly string[] s_months =
        ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

    private readonly Tokenizer _tokenizer;
    private readonly Prose _prose;
    private readonly Split _split;
    private readonly ChatTokens _chat;

    /// <param name="tokenizer">with the control tokens of the chat format</param> <param name="prose">of the split, from the same tokenizer</param>
    /// <param name="split">chooses wordings and names</param>
    public ContractTask(Tokenizer tokenizer, Prose prose, Split split)
    {
        _tokenizer = tokenizer;
        _prose = prose;
        _split = split;
        _chat = new ChatTokens(tokenizer);
    }

    /// <summary>A conversation of at most <paramref name="length"/> tokens and less than <see cref="Slack"/> fewer.</summary>
    /// <param name="seed">the same seed gives the same sample</param> <param name="length">at least <see cref="MinLength"/></param>
    public TaskSample Generate(ulong seed, int length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, MinLength);
        var random = new SeededRandom(seed, (ulong)TaskKind.Contracts);
        (string text, List<Clause> clauses, List<string> parties) = Write(random, length);
        Clause[] asked = [.. clauses];
        random.Shuffle(asked.AsSpan());
        string[] questions = [.. asked.Select(clause => Question(clause, parties.Count, random))];
        int count = asked.Length;
        while (count > 1 && Chat("", text, questions, asked, count).Tokens.Count > length)
            count--;

        // Prose in front takes what room is left. Its text may encode to a few tokens more or less than it was cut from.
        (int[] prose, _) = _prose.Take(random, length);
        int take = 0;
        ChatSequence chat;
        for (int attempt = 0; ; attempt++)
        {
            string front = take > 0 ? _tokenizer.Decode(prose.AsSpan(length - take)).Trim('\uFFFD') + "\n\n" : "";
            chat = Chat(front, text, questions, asked, count);
            int missing = length - chat.Tokens.Count;
            if (missing is >= 0 and < Slack || attempt > 20)
                return Sample(chat, front.Length, asked, count, parties);
            take = Math.Clamp(take + missing - (attempt > 3 ? Slack / 2 : 0), 0, length);
        }
    }

    private ChatSequence Chat(string front, string text, string[] questions, Clause[] asked, int count) =>
        _chat.Encode(front + text, questions[..count], [.. asked.Take(count).Select(clause => clause.Answer)]);

    private static TaskSample Sample(ChatSequence chat, int front, Clause[] asked, int count, List<string> parties)
    {
        var mask = new bool[chat.Tokens.Count];
        var queries = new List<TaskQuery>();
        for (int i = 0; i < count; i++)
        {
            TokenSpan answer = chat.Answers[i];
            mask.AsSpan(answer.Start, answer.Count + 1).Fill(true);         // and the EOS behind it
            TokenSpan evidence = chat.InFirstMessage(front + asked[i].At - 1, asked[i].Answer.Length);
            queries.Add(new TaskQuery(asked[i].Key, asked[i].Answer, answer, [evidence], evidence.Start / (double)(mask.Length - 1)));
        }

        return new TaskSample(TaskKind.Contracts, [.. chat.Tokens], mask, queries, parties);
    }

    private (string Text, List<Clause> Clauses, List<string> Parties) Write(SeededRandom random, int length)
    {
        var names = new Names(random, _split);
        var text = new StringBuilder();
        var clauses = new List<Clause>();
        var parties = new List<string>();
        int tokens = 0;
        bool alone = random.Next(2) == 0;
        int most = alone ? 1 : ContractsMax;
        int clausesMost = alone ? Math.Max(ClausesLeast, (int)(length * ContractShare / ClauseTokens)) : ClausesMost;
        while (parties.Count < most)
        {
            (int start, int count) = (text.Length, clauses.Count);
            string key = Contract(random, names, text, clauses, clausesMost);
            tokens += _tokenizer.Encode(text.ToString(start, text.Length - start), recognizeAddedTokens: false).Length;
            if (tokens > length * ContractShare && parties.Count > 0)
            {
                text.Length = start;
                clauses.RemoveRange(count, clauses.Count - count);
                break;
            }

            parties.Add(key);
        }

        return (text.ToString(), clauses, parties);
    }

    private string Contract(SeededRandom random, Names names, StringBuilder text, List<Clause> clauses, int clausesMost)
    {
        string a = names.Person();
        string b = names.Person();
        string Named(string wording) => wording.Replace("{a}", a, StringComparison.Ordinal).Replace("{b}", b, StringComparison.Ordinal);
        text.Append(Named(random.Pick(Splits.Of(ContractWordings.Titles, _split)))).Append('\n');
        int number = 1;
        foreach (ContractTopic topic in Topics(random, names, ClausesLeast + random.Next(clausesMost - ClausesLeast + 1)))
        {
            string wording = Named(random.Pick(topic.Clauses));
            string value = Value(topic.Value, random, names);
            text.Append(CultureInfo.InvariantCulture, $"{number++}. ");
            clauses.Add(new Clause($"{topic.Name} of {a} and {b}", a, b, topic, value, text.Length + wording.IndexOf("{v}", StringComparison.Ordinal)));
            text.Append(wording.Replace("{v}", value, StringComparison.Ordinal)).Append('\n');
            if (random.Next(3) == 0)
                text.Append(CultureInfo.InvariantCulture, $"{number++}. {random.Pick(Splits.Of(ContractWordings.Boilerplate, _split))}\n");
        }

        text.Append('\n');
        return $"{a} and {b}";
    }

    /// <summary>Different ones, at least half of them terms of one noun, as far as there are.</summary>
    private ContractTopic[] Topics(SeededRandom random, Names names, int count)
    {
        ContractTopic[] topics = [.. ContractWordings.Topics.Select(topic => topic.Of(_split))];
        ContractTerm[] terms = [.. ContractWordings.Terms.Where(term => Splits.OfName(term.Name) == _split)];
        random.Shuffle(topics.AsSpan());
        random.Shuffle(terms.AsSpan());
        int plain = Math.Min(Math.Max(count - topics.Length, count / 2 + random.Next(1 + count % 2)), terms.Length);
        ContractTopic[] chosen = [.. topics.Take(count - plain), .. terms.Take(plain).Select(term => ContractWordings.Topic(Varied(term, random, names), _split))];
        random.Shuffle(chosen.AsSpan());
        return chosen;
    }

    // In training half of the terms are two words that mean nothing here: what is asked for must be found by its words, whatever they are.
    private ContractTerm Varied(ContractTerm term, SeededRandom random, Names names) =>
        _split == Split.Training && random.Next(2) == 0 ? term with { Name = names.Thing() } : term;

    /// <summary>Names the parties; where there is one contract only, every fourth time.</summary>
    private string Question(Clause clause, int contracts, SeededRandom random)
    {
        bool isScoped = contracts > 1 || random.Next(4) == 0;
        string wording = (isScoped ? random.Pick(Splits.Of(ContractWordings.Scopes, _split)) : "") + random.Pick(clause.Topic.Questions);
        return wording.Replace("{a}", clause.A, StringComparison.Ordinal).Replace("{b}", clause.B, StringComparison.Ordinal);
    }

    private static string Value(ClauseValue kind, SeededRandom random, Names names) => kind switch
    {
        ClauseValue.Date => string.Create(CultureInfo.InvariantCulture, $"{1 + random.Next(28)} {random.Pick(s_months)} {1700 + random.Next(300)}"),
        ClauseValue.Pounds => names.Number() + " pounds",
        ClauseValue.Days => names.Number() + " days",
        ClauseValue.PerCent => string.Create(CultureInfo.InvariantCulture, $"{1 + random.Next(20)}.{random.Next(100):D2} per cent"),
        _ => names.Person(),
    };

    private sealed record Clause(string Key, string A, string B, ContractTopic Topic, string Value, int At)
    {
        public string Answer => " " + Value;
    }
}
