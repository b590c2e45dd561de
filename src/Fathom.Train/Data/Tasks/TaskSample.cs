namespace Fathom.Train.Data.Tasks;

/// <summary>A kind of task.</summary>
public enum TaskKind
{
    /// <summary>A key and its number, one plain wording in the whole sequence.</summary>
    PassKey,

    /// <summary>A fact that could stand in a story, among facts of the same wording.</summary>
    Needle,

    /// <summary>A key that has several numbers; all are asked for, in the order of the text.</summary>
    SeveralValues,

    /// <summary>A key of two parts, among keys that share one of them.</summary>
    SeveralKeys,

    /// <summary>Bare pairs that come again.</summary>
    Induction,

    /// <summary>Bare pairs of tokens, half of the sequence questions: the densest lesson in looking up what stood behind a key.</summary>
    Pairs,

    /// <summary>Variables that stand for other variables.</summary>
    Variables,

    /// <summary>Contracts with questions in the chat format, answered by quotation.</summary>
    Contracts,
}

/// <summary>A question and where its answer stands.</summary>
/// <param name="Key">what is asked for</param> <param name="Answer">text of the answer</param>
/// <param name="AnswerTokens">the answer that is to be predicted</param> <param name="Evidence">what it is to be read from, all before it</param>
/// <param name="Depth">0 for evidence at the beginning of the sequence, 1 at its end</param>
public sealed record TaskQuery(string Key, string Answer, TokenSpan AnswerTokens, IReadOnlyList<TokenSpan> Evidence, double Depth);

/// <summary>A sequence with questions in it.</summary>
/// <param name="Kind">of task</param> <param name="Tokens">ids, BOS first</param>
/// <param name="LossMask">true at tokens that are answers, which the row before them predicts</param>
/// <param name="Queries">in the order of the sequence</param> <param name="Keys">all keys in the sequence, each once; those not asked for are decoys</param>
public sealed record TaskSample(TaskKind Kind, int[] Tokens, bool[] LossMask, IReadOnlyList<TaskQuery> Queries, IReadOnlyList<string> Keys)
{
    /// <summary>The sample for training: loss where the next token is an answer.</summary>
    public TrainingSample ToTraining(string source)
    {
        var targets = new int[Tokens.Length];
        for (int i = 0; i < targets.Length; i++)
            targets[i] = i + 1 < Tokens.Length && LossMask[i + 1] ? Tokens[i + 1] : TrainingSample.NoTarget;
        return new TrainingSample(Tokens, targets, source, IsTask: true);
    }
}
