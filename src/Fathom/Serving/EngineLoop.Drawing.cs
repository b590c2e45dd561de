using System.Diagnostics;
using Fathom.Engine;

namespace Fathom.Serving;

internal sealed partial class EngineLoop
{
    /// <summary>Draws the next token behind the logits and ends the sequence where that ends it. Here rules act: before the draw, and told of it.</summary>
    private void Draw(ServedSequence sequence)
    {
        SequenceWork work = sequence.Work!;                                               // only sequences with work draw
        work.FirstDraw = work.FirstDraw == 0 ? Stopwatch.GetTimestamp() : work.FirstDraw;
        try
        {
            TokenRule? rule = work.Reply.IsReasoning ? work.ReasoningRule : AnswerRule(sequence, work);
            work.Sampler.Mask = rule?.Mask;
            if (rule is { Forced: { IsEmpty: false } forced })
            {
                work.Sampler.Force(forced[..1]);
            }
            int token = work.Sampler.NextId(work.Logits);
            rule?.Push(token);
            if (token == _model.Config.EosToken)
            {
                End(sequence, EndReason.Stop);
                return;
            }
            work.Written.Add(token);
            Volatile.Write(ref _writtenTokens, _writtenTokens + 1);
            work.Reply.Push(token, Score(sequence, token));
            work.Pending = token;
            if (work.Reply.StopString is not null || work.Loop.Push(token) || work.Written.Count == sequence.MaxTokens)
            {
                End(sequence, work.Reply.StopString is not null ? EndReason.StopString : work.Loop.IsLooping ? EndReason.Loop : EndReason.Length);
            }
        }
        catch (RequestException e)
        {
            Fail(sequence, FaultKind.Internal, e.Message);
        }
    }

    // The answer's rule begins with the answer: then it is known how many tokens are left.
    private TokenRule? AnswerRule(ServedSequence sequence, SequenceWork work)
    {
        if (!work.HasAnswerRule)
        {
            work.HasAnswerRule = true;
            work.AnswerRule = sequence.Script.Length > 0 ? null : _rules.OfAnswer(sequence, sequence.MaxTokens - work.Written.Count);
        }
        return work.AnswerRule;
    }

    private TokenScore? Score(ServedSequence sequence, int token) => sequence.Request.TopLogProbabilities is { } top
        ? TokenScores.Of(sequence.Work!.Logits, token, top, _tokenizer) : null;           // it has just drawn
}
