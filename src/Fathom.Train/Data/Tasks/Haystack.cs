namespace Fathom.Train.Data.Tasks;

/// <summary>A question about a haystack, to be asked right behind it.</summary>
/// <param name="Key">what is asked for</param> <param name="Tokens">the question; the answer comes next</param>
/// <param name="Answer">text of the answer</param> <param name="AnswerTokens">its tokens</param>
/// <param name="Facts">the sentences in the haystack that give the answer</param> <param name="Evidence">their values</param>
public sealed record HaystackQuestion(
    string Key, int[] Tokens, string Answer, int[] AnswerTokens, IReadOnlyList<TokenSpan> Facts, IReadOnlyList<TokenSpan> Evidence);

/// <summary>Facts hidden in prose, and questions apart from it: each is asked by itself, never behind another.</summary>
/// <param name="Tokens">ids, BOS first</param> <param name="Questions">spread evenly over the depth</param>
/// <param name="Answers">of every key, each once; those not asked for are decoys of the same wording</param>
public sealed record Haystack(int[] Tokens, IReadOnlyList<HaystackQuestion> Questions, IReadOnlyDictionary<string, string> Answers)
{
    /// <summary>The key, other than <paramref name="asked"/>, whose answer is <paramref name="text"/>; null where there is none.</summary>
    public string? KeyOf(string text, string asked) => Answers.FirstOrDefault(pair => pair.Value == text && pair.Key != asked).Key;
}

public sealed partial class RetrievalTask
{
    /// <summary>The shortest context of <see cref="Hide"/>, in tokens.</summary>
    public const int HaystackLeast = 256;

    // Beside 28 keys that are asked for, a long haystack has 100 decoys.
    private const int HaystackQuestions = 28;
    private const double HaystackFactShare = 0.5;

    // Apart from the streams of the kinds themselves: a haystack repeats no training sample.
    private const ulong HaystackStream = 1 << 16;

    /// <summary>A haystack that leaves room for any of its questions with its answer in <paramref name="length"/> tokens.</summary>
    /// <param name="kind">any but contracts</param> <param name="seed">the same seed gives the same haystack</param>
    /// <param name="length">tokens of the context, at least <see cref="HaystackLeast"/></param>
    /// <param name="margin">tokens of prose in front of the first and behind the last fact, at most an eighth of the length</param>
    public Haystack Hide(TaskKind kind, ulong seed, int length, int margin)
    {
        ArgumentOutOfRangeException.ThrowIfEqual((int)kind, (int)TaskKind.Contracts);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, HaystackLeast);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(margin, length / 8);
        var random = new SeededRandom(seed, HaystackStream + (ulong)kind);
        var plan = new RetrievalPlan(random, kind, _split);
        int room = FillFacts(plan, length - 1, HaystackFactShare) - plan.Queries.Max(query => Count(query.Text));
        (int[] prose, List<int> places) = _prose.Take(random, room);
        var writer = new TokenWriter(_tokenizer);
        writer.Tokens.Add(_begin);
        WrittenFact[] facts = WriteContext(plan, random, prose, EvenSlots(plan.Facts.Count, room, margin, places, random), writer);

        PlannedQuery[] byDepth = [.. plan.Queries.OrderBy(query => facts[query.Facts[0]].Fact.Start)];
        int count = Math.Min(HaystackQuestions, byDepth.Length), offset = random.Next(byDepth.Length);
        HaystackQuestion[] questions = [.. Enumerable.Range(0, count).Select(i => Question(byDepth[((i * byDepth.Length) + offset) / count], facts))];
        return new Haystack([.. writer.Tokens], questions, plan.Queries.ToDictionary(query => query.Key, query => query.Text[query.Answer]));
    }

    /// <summary>One place of the prose in each of <paramref name="count"/> equal stretches between the margins, or the next one behind it.</summary>
    private static int[] EvenSlots(int count, int room, int margin, List<int> places, SeededRandom random)
    {
        const int Fine = 1 << 16;
        int[] inside = [.. places.Where(place => place >= margin && place <= room - margin)];
        if (inside.Length == 0)
            inside = [.. places];
        var slots = new int[count];
        for (int i = 0; i < count; i++)
        {
            double wanted = margin + ((room - (2.0 * margin)) * (i + (random.Next(Fine) / (double)Fine)) / count);
            int found = Array.BinarySearch(inside, (int)wanted);
            slots[i] = inside[Math.Min(found >= 0 ? found : ~found, inside.Length - 1)];
        }

        return slots;
    }

    private HaystackQuestion Question(PlannedQuery query, WrittenFact[] facts)
    {
        var writer = new TokenWriter(_tokenizer);
        TokenSpan answer = writer.Append(query.Text, query.Answer);
        return new HaystackQuestion(
            query.Key, [.. writer.Tokens[..answer.Start]], query.Text[query.Answer], [.. writer.Tokens.GetRange(answer.Start, answer.Count)],
            [.. query.Facts.Select(fact => facts[fact].Fact)], [.. query.Facts.Select(fact => facts[fact].Value)]);
    }
}
