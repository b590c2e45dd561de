using Fathom.Prompts;
using Fathom.Text;

namespace Fathom.Train.Data.Tasks;

/// <summary>
/// Facts hidden in real prose and questions behind them. All facts of a sequence have one wording, so only the key tells the right one; keys
/// and numbers are random. Immutable; safe from any thread.
/// </summary>
public sealed partial class RetrievalTask
{
    private const int GroupsMax = 128;
    private const int QueriesMax = 64;
    private const double FactShare = 0.5;
    private const double QueryShare = 0.4;

    private readonly Tokenizer _tokenizer;
    private readonly Prose _prose;
    private readonly Split _split;
    private readonly int _begin;

    /// <param name="tokenizer">with BOS</param> <param name="prose">of the split, from the same tokenizer</param> <param name="split">chooses wordings and names</param>
    public RetrievalTask(Tokenizer tokenizer, Prose prose, Split split)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _tokenizer = tokenizer;
        _prose = prose;
        _split = split;
        if (!tokenizer.TryGetId(ProtocolTokens.BeginOfSentence, out _begin))
            throw new ArgumentException($"The tokenizer has no {ProtocolTokens.BeginOfSentence}; expected a DeepSeek-V4 vocabulary.", nameof(tokenizer));
    }

    /// <summary>A sequence of exactly <paramref name="length"/> tokens.</summary>
    /// <param name="kind">one with wordings, so neither contracts nor pairs</param> <param name="seed">the same seed gives the same sample</param> <param name="length">at least 128</param>
    public TaskSample Generate(TaskKind kind, ulong seed, int length)
    {
        ArgumentOutOfRangeException.ThrowIfEqual((int)kind, (int)TaskKind.Contracts);
        ArgumentOutOfRangeException.ThrowIfEqual((int)kind, (int)TaskKind.Pairs);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 128);
        var random = new SeededRandom(seed, (ulong)kind);
        var plan = new RetrievalPlan(random, kind, _split);
        int room = FillFacts(plan, length - 1, FactShare);
        List<PlannedQuery> queries = ChooseQueries(plan, random, ref room, length);

        var writer = new TokenWriter(_tokenizer);
        writer.Tokens.Add(_begin);
        (int[] prose, List<int> places) = _prose.Take(random, room);
        int[] slots = [.. plan.Facts.Select(_ => random.Pick(places)).Order()];
        WrittenFact[] facts = WriteContext(plan, random, prose, slots, writer);
        var mask = new bool[length];
        var asked = new List<TaskQuery>();
        foreach (PlannedQuery query in queries)
        {
            TokenSpan answer = writer.Append(query.Text, query.Answer);
            mask.AsSpan(answer.Start, answer.Count).Fill(true);
            TokenSpan[] evidence = [.. query.Facts.Select(fact => facts[fact].Value)];
            asked.Add(new TaskQuery(query.Key, query.Text[query.Answer], answer, evidence, evidence[0].Start / (double)(length - 1)));
        }

        return new TaskSample(kind, [.. writer.Tokens], mask, asked, [.. plan.Facts.Select(fact => fact.Key).Distinct()]);
    }

    /// <summary>Adds groups of facts up to their share; returns the tokens that are left.</summary>
    private int FillFacts(RetrievalPlan plan, int room, double share)
    {
        int used = 0;
        for (int group = 0; group < GroupsMax; group++)
        {
            int facts = plan.Facts.Count;
            plan.AddGroup();
            int added = plan.Facts.Skip(facts).Sum(fact => Count(fact.Text));
            if (used + added > room * share && group > 0)
            {
                plan.Facts.RemoveRange(facts, plan.Facts.Count - facts);
                plan.Queries.RemoveAt(plan.Queries.Count - 1);
                break;
            }

            used += added;
        }

        return room - used;
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
            if (chosen.Count == QueriesMax || added > room || (used + added > length * QueryShare && chosen.Count > 0))
                break;
            chosen.Add(query);
            used += added;
            room -= added;
        }

        return chosen;
    }

    /// <summary>Prose with the facts at the slots, in a random order; returns where each fact stands.</summary>
    private static WrittenFact[] WriteContext(RetrievalPlan plan, SeededRandom random, int[] prose, int[] slots, TokenWriter writer)
    {
        int[] order = Interleave(plan, random);
        var written = new WrittenFact[slots.Length];
        int taken = 0;
        for (int i = 0; i < slots.Length; i++)
        {
            writer.Tokens.AddRange(prose.AsSpan(taken, slots[i] - taken));
            taken = slots[i];
            PlannedFact fact = plan.Facts[order[i]];
            int start = writer.Tokens.Count;
            TokenSpan value = writer.Append(fact.Text, fact.Value);
            written[order[i]] = new WrittenFact(new TokenSpan(start, writer.Tokens.Count - start), value);
        }

        writer.Tokens.AddRange(prose.AsSpan(taken));
        return written;
    }

    /// <summary>A random order of the facts in which those of one group keep theirs.</summary>
    private static int[] Interleave(RetrievalPlan plan, SeededRandom random)
    {
        var groupOf = new int[plan.Facts.Count];
        for (int group = 0; group < plan.Queries.Count; group++)
        {
            foreach (int fact in plan.Queries[group].Facts)
                groupOf[fact] = group;
        }

        var next = new Queue<int>[plan.Queries.Count];
        for (int group = 0; group < next.Length; group++)
            next[group] = new Queue<int>(plan.Queries[group].Facts);
        random.Shuffle(groupOf.AsSpan());
        return [.. groupOf.Select(group => next[group].Dequeue())];
    }

    private int Count(string text) => _tokenizer.Encode(text, recognizeAddedTokens: false).Length;

    /// <summary>The tokens of a fact, and those of its value among them.</summary>
    private readonly record struct WrittenFact(TokenSpan Fact, TokenSpan Value);
}

/// <summary>Task samples as a source for training: kinds in turn, those that fit into the length.</summary>
/// <param name="name">for logs</param> <param name="kinds">which ones, repeated for more of them</param>
/// <param name="retrieval">makes the kinds in prose</param> <param name="contracts">makes contracts</param> <param name="pairs">makes bare pairs; only where they are among the kinds</param>
public sealed class TaskSource(string name, IReadOnlyList<TaskKind> kinds, RetrievalTask retrieval, ContractTask contracts, PairTask? pairs = null) : ISampleSource
{
    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public IReadOnlyList<TrainingSample> Draw(ulong seed, long drawn, int length)
    {
        ulong sample = SeededRandom.Mix(unchecked(seed + (ulong)drawn));
        TaskKind[] fitting = [.. kinds.Where(kind => kind != TaskKind.Contracts || length >= ContractTask.MinLength)];
        TaskKind kind = fitting[(int)(sample % (ulong)fitting.Length)];
        TaskSample task = kind switch
        {
            TaskKind.Contracts => contracts.Generate(sample, length),
            TaskKind.Pairs => pairs!.Generate(sample, length),              // given where pairs are among the kinds
            _ => retrieval.Generate(kind, sample, length),
        };
        return [task.ToTraining($"{name}/{kind}")];
    }
}
