namespace Fathom.Train.Model;

/// <summary>Which targets are answers and which are other text, and how the two are weighed against each other.</summary>
internal sealed class TargetGroups
{
    private readonly bool[] _isAnswer;
    private readonly bool[] _counts;
    private readonly double? _share;

    /// <param name="batch">the samples</param> <param name="targets">(T)</param>
    public TargetGroups(PackedBatch batch, ReadOnlySpan<int> targets)
    {
        _share = batch.TaskShare;
        _isAnswer = new bool[targets.Length];
        _counts = new bool[targets.Length];
        foreach (Sample sample in batch.Samples)
        {
            _isAnswer.AsSpan(sample.FirstRow, sample.Count).Fill(sample.IsTask);
        }
        for (int t = 0; t < targets.Length; t++)
        {
            _counts[t] = targets[t] != PackedBatch.NoTarget;
        }
    }

    private TargetGroups(bool[] isAnswer, bool[] counts, double? share) => (_isAnswer, _counts, _share) = (isAnswer, counts, share);

    /// <summary>The same for some of the rows.</summary>
    public TargetGroups Of(int[] rows) => new([.. rows.Select(t => _isAnswer[t])], [.. rows.Select(t => _counts[t])], _share);

    /// <summary>(T): each target's part of the loss. Their sum is <paramref name="weight"/>; the answers' is their share of it if both kinds occur.</summary>
    public float[] Factors(float weight)
    {
        int answers = Count(answers: true), text = Count(answers: false);
        double share = answers == 0 ? 0 : text == 0 ? 1 : _share ?? (double)answers / (answers + text);
        float ofAnswer = answers == 0 ? 0 : (float)(weight * share / answers), ofText = text == 0 ? 0 : (float)(weight * (1 - share) / text);
        return [.. _counts.Select((counts, t) => !counts ? 0 : _isAnswer[t] ? ofAnswer : ofText)];
    }

    /// <summary>Means of the rows' losses.</summary>
    public StepLosses Losses(ReadOnlySpan<float> each)
    {
        double answers = 0, text = 0;
        for (int t = 0; t < each.Length; t++)
        {
            answers += _isAnswer[t] ? each[t] : 0;
            text += _isAnswer[t] ? 0 : each[t];
        }
        int answerCount = Count(answers: true), textCount = Count(answers: false);
        return new StepLosses(
            (answers + text) / Math.Max(1, answerCount + textCount), 0, textCount == 0 ? null : text / textCount, answerCount == 0 ? null : answers / answerCount);
    }

    private int Count(bool answers) => _counts.Where((counts, t) => counts && _isAnswer[t] == answers).Count();
}
