using Fathom.Prompts;
using Fathom.Text;
using Fathom.Train.Data;
using Fathom.Train.Data.Tasks;

namespace Fathom.Train.Indexers;

/// <summary>A long text and the tokens of it whose attention is looked at.</summary>
/// <param name="Tokens">ids, BOS first</param> <param name="Places">of the tokens looked at, ascending</param>
/// <param name="PredictsAnswer">for each of them, whether an answer's token follows</param>
internal sealed record TuningText(int[] Tokens, int[] Places, bool[] PredictsAnswer);

/// <summary>
/// Long prose with facts of one wording at random places and hundreds of questions: half of them near the end, half anywhere behind their fact, so
/// that all distances occur. What <see cref="RetrievalTask"/> makes, thinner and longer.
/// </summary>
internal sealed class TuningTexts
{
    private const int FactsLeast = 64;
    private const int FactDoublings = 4;
    private const int QueriesMax = 256;
    private const double FactShare = 0.3;
    private const double QueryShare = 0.25;
    private const double LatePart = 0.125;
    private const double AnswerShare = 0.5;
    private const double AskingShare = 0.75;

    private readonly Tokenizer _tokenizer;
    private readonly Prose _prose;
    private readonly Split _split;
    private readonly int _begin;

    /// <param name="tokenizer">with BOS</param> <param name="prose">from the same tokenizer</param> <param name="split">chooses wordings and names</param>
    public TuningTexts(Tokenizer tokenizer, Prose prose, Split split)
    {
        _tokenizer = tokenizer;
        _prose = prose;
        _split = split;
        if (!tokenizer.TryGetId(ProtocolTokens.BeginOfSentence, out _begin))
        {
            throw new ArgumentException($"The tokenizer has no {ProtocolTokens.BeginOfSentence}; expected a DeepSeek-V4 vocabulary.", nameof(tokenizer));
        }
    }

    /// <summary>The kinds of task whose questions have one fact each.</summary>
    public static IReadOnlyList<TaskKind> Kinds { get; } = [TaskKind.Needle, TaskKind.PassKey, TaskKind.SeveralKeys, TaskKind.Induction];

    /// <param name="kind">one of <see cref="Kinds"/></param> <param name="seed">the same seed gives the same text</param>
    /// <param name="length">tokens, exactly</param> <param name="rows">tokens to look at, at most</param>
    public TuningText Generate(TaskKind kind, ulong seed, int length, int rows)
    {
        var random = new SeededRandom(seed, (ulong)kind);
        var plan = new RetrievalPlan(random, kind, _split);
        int room = FillFacts(plan, FactsLeast << random.Next(FactDoublings), length);
        List<PlannedQuery> queries = ChooseQueries(plan, random, ref room, length);
        (int[] prose, List<int> slots) = _prose.Take(random, room);
        var writer = new TokenWriter(_tokenizer);
        writer.Tokens.Add(_begin);
        var asking = new bool[length];
        var answering = new bool[length];
        int written = 0;
        foreach ((int slot, PlannedFact? fact, PlannedQuery? query) in Layout(plan, queries, random, slots))
        {
            writer.Tokens.AddRange(prose.AsSpan(written, slot - written));
            written = slot;
            if (fact is not null)
            {
                writer.Append(fact.Text);
            }
            if (query is not null)
            {
                int start = writer.Tokens.Count;
                TokenSpan answer = writer.Append(query.Text, query.Answer);
                asking.AsSpan(start..writer.Tokens.Count).Fill(true);
                answering.AsSpan(answer.Start - 1, answer.Count).Fill(true);
            }
        }
        writer.Tokens.AddRange(prose.AsSpan(written));
        int[] places = Places(asking, answering, random, rows);
        return new TuningText([.. writer.Tokens], places, [.. places.Select(place => answering[place])]);
    }

    /// <summary>Adds facts up to their share; returns the tokens that are left.</summary>
    private int FillFacts(RetrievalPlan plan, int most, int length)
    {
        int used = 0;
        for (int group = 0; group < most; group++)
        {
            plan.AddGroup();
            int added = Count(plan.Facts[^1].Text);
            if (used + added > length * FactShare && group > 0)
            {
                plan.Facts.RemoveAt(plan.Facts.Count - 1);
                plan.Queries.RemoveAt(plan.Queries.Count - 1);
                break;
            }
            used += added;
        }
        return length - 1 - used;
    }

    private List<PlannedQuery> ChooseQueries(RetrievalPlan plan, SeededRandom random, ref int room, int length)
    {
        PlannedQuery[] all = [.. plan.Queries];
        random.Shuffle(all.AsSpan());
        var chosen = new List<PlannedQuery>();
        int used = 0;
        foreach (PlannedQuery query in all)
        {
            int added = Count(query.Text);
            if (chosen.Count == QueriesMax || (used + added > length * QueryShare && chosen.Count > 0))
            {
                break;
            }
            chosen.Add(query);
            used += added;
        }
        room -= used;
        return chosen;
    }

    /// <summary>Facts and questions in the order of the text, each at a place between two sentences, a question behind its fact.</summary>
    private static IEnumerable<(int Slot, PlannedFact? Fact, PlannedQuery? Query)> Layout(
        RetrievalPlan plan, List<PlannedQuery> queries, SeededRandom random, List<int> slots)
    {
        int[] factSlot = [.. plan.Facts.Select(_ => random.Next(slots.Count))];
        var items = new List<(int Slot, int Order, PlannedFact? Fact, PlannedQuery? Query)>();
        for (int i = 0; i < factSlot.Length; i++)
        {
            items.Add((factSlot[i], i, plan.Facts[i], null));
        }
        foreach (PlannedQuery query in queries)
        {
            int fact = factSlot[query.Facts[0]], late = (int)(slots.Count * (1 - LatePart)), first = random.Next(2) == 0 ? fact : Math.Max(fact, late);
            items.Add((first + random.Next(slots.Count - first), factSlot.Length + items.Count, null, query));
        }
        return items.OrderBy(item => item.Slot).ThenBy(item => item.Order).Select(item => (slots[item.Slot], item.Fact, item.Query));
    }

    // Rows that predict answers first, then others of the questions, then any.
    private static int[] Places(bool[] asking, bool[] answering, SeededRandom random, int rows)
    {
        int[] order = [.. Enumerable.Range(0, asking.Length)];
        random.Shuffle(order.AsSpan());
        IEnumerable<int> answers = order.Where(place => answering[place]).Take((int)(rows * AnswerShare));
        IEnumerable<int> questions = order.Where(place => asking[place] && !answering[place]);
        int[] chosen = [.. answers.Concat(questions).Take((int)(rows * AskingShare))];
        return [.. chosen.Concat(order.Where(place => !asking[place] && !answering[place])).Take(rows).Order()];
    }

    private int Count(string text) => _tokenizer.Encode(text, recognizeAddedTokens: false).Length;
}
