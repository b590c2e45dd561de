using System.Threading.Channels;

namespace Fathom.Serving;

internal sealed partial class EngineLoop
{
    // Between two steps at most: whoever asks much delays no one's tokens.
    private const int AnswersPerStep = 4;

    private readonly Channel<ForecastQuestion> _questions = Channel.CreateUnbounded<ForecastQuestion>(new UnboundedChannelOptions { SingleReader = true });

    /// <summary>Asks what a prompt would take. May be called from any thread.</summary>
    /// <exception cref="OperationCanceledException">the caller gives up, or the engine stops</exception>
    public Task<Forecast> ForecastAsync(ForecastQuestion question, CancellationToken cancellation)
    {
        if (!_questions.Writer.TryWrite(question))
        {
            question.Answer.TrySetCanceled(CancellationToken.None);
        }
        Wake();
        return question.Answer.Task.WaitAsync(cancellation);
    }

    private void AnswerQuestions()
    {
        for (int i = 0; i < AnswersPerStep && _questions.Reader.TryRead(out ForecastQuestion? question); i++)
        {
            try
            {
                question.Answer.TrySetResult(Answer(question));
            }
            catch (Exception e)
            {
                question.Answer.TrySetException(e);                                       // a store that cannot be opened, or a defect: the loop goes on
            }
        }
        if (_questions.Reader.TryPeek(out _))
        {
            Wake();
        }
    }

    private void DropQuestions()
    {
        while (_questions.Reader.TryRead(out ForecastQuestion? question))
        {
            question.Answer.TrySetCanceled(CancellationToken.None);
        }
    }

    private Forecast Answer(ForecastQuestion question)
    {
        int cached = Cached(question), left = question.Tokens.Length - cached;
        ServedSequence[] readers = [.. _running.Concat(_waiting).Where(sequence => Left(sequence) > 0)];
        long read = ReadingShare.TokensUntilRead(left, question.Holder, readers.Select(reader => (reader.Request.Holder, Left(reader))));
        int writers = _running.Count(sequence => Left(sequence) <= 0);
        return new Forecast(question.Tokens.Length, cached) { TimeToFirstToken = _pace.TimeToRead(read, writers) };
    }

    // As a request's start finds it.
    private int Cached(ForecastQuestion question)
    {
        int inMemory = _kept.Measure(question.Tenant, question.Tokens);
        if (question.Tokens.Length < inMemory + StoreGainMin || Store(question.Tenant) is not { } store)
        {
            return inMemory;
        }
        int stored = store.Find(question.Tokens);
        return stored < inMemory + StoreGainMin ? inMemory : stored;
    }

    // Of its prompt; not above 0 for those that write.
    private static int Left(ServedSequence sequence) => sequence.Prompt.Tokens.Length - (sequence.Work?.Cache.Length ?? 0);
}
