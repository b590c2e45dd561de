namespace Fathom.Train.Data.Tasks;

/// <summary>A question about contracts, in a conversation of its own.</summary>
/// <param name="Key">what is asked for</param> <param name="Prompt">ids up to where the answer begins, BOS first</param>
/// <param name="Answer">words of the source</param>
public sealed record ContractQuestion(string Key, int[] Prompt, string Answer);

/// <summary>Contracts behind prose, and questions about them.</summary>
/// <param name="Source">what is in front of every question, and what answers quote</param> <param name="Contracts">in the text</param>
/// <param name="Questions">each apart</param>
public sealed record ContractReading(string Source, int Contracts, IReadOnlyList<ContractQuestion> Questions);

public sealed partial class ContractTask
{
    /// <summary>The shortest text of <see cref="Read"/>, in tokens.</summary>
    public const int ReadingLeast = 512;

    // Apart from the stream of the conversations.
    private const ulong ReadingStream = 1 << 16;

    /// <summary>Contracts to be asked about one question at a time, in about <paramref name="length"/> tokens with prose in front.</summary>
    /// <param name="seed">the same seed gives the same text and questions</param> <param name="length">at least <see cref="ReadingLeast"/></param>
    public ContractReading Read(ulong seed, int length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, ReadingLeast);
        var random = new SeededRandom(seed, ReadingStream + (ulong)TaskKind.Contracts);
        (string text, List<Clause> clauses, List<string> parties) = Write(random, length);
        Clause[] asked = [.. clauses];
        random.Shuffle(asked.AsSpan());
        asked = [.. asked.Take(QuestionsMax)];
        string[] questions = [.. asked.Select(clause => Question(clause, parties.Count, random))];

        int room = length - asked.Select((clause, i) => _chat.Encode(text, [questions[i]], [clause.Answer]).Tokens.Count).Max();
        if (room > 0)
            text = _tokenizer.Decode(_prose.Take(random, room).Tokens).Trim('\uFFFD') + "\n\n" + text;
        return new ContractReading(text, parties.Count, [.. asked.Select((clause, i) => Ask(text, questions[i], clause))]);
    }

    private ContractQuestion Ask(string text, string question, Clause clause)
    {
        ChatSequence chat = _chat.Encode(text, [question], [clause.Answer]);
        return new ContractQuestion(clause.Key, [.. chat.Tokens[..chat.Answers[0].Start]], clause.Value);
    }
}
