using System.Diagnostics;
using Fathom.Engine;
using Fathom.Text;
using Fathom.Train.Data;
using Fathom.Train.Data.Tasks;

namespace Fathom.Train.Evaluation;

/// <summary>What a model said when it was asked for a fact.</summary>
/// <param name="Sample">seed of the haystack</param> <param name="Key">what was asked for</param> <param name="Expected">the answer</param>
/// <param name="Given">what the model wrote in as many tokens</param>
/// <param name="GivenIsOf">another key of the haystack that this is the answer to, or null</param> <param name="IsCorrect">whether those are the answer's tokens</param>
/// <param name="Depth">of the first evidence: 0 at the beginning of the context, 1 at its end</param>
/// <param name="Distance">tokens from the first evidence to the answer</param>
public sealed record NeedleAnswer(ulong Sample, string Key, string Expected, string Given, string? GivenIsOf, bool IsCorrect, double Depth, int Distance);

/// <summary>All answers at one context length.</summary>
/// <param name="Context">tokens of a haystack with a question and its answer, at most</param> <param name="Answers">of all samples</param>
/// <param name="Keys">keys per haystack, decoys included, on average</param> <param name="PrefillTokens">of all haystacks</param>
/// <param name="PrefillTime">spent on them</param> <param name="Time">in all</param>
public sealed record NeedleResult(
    int Context, IReadOnlyList<NeedleAnswer> Answers, double Keys, int PrefillTokens, TimeSpan PrefillTime, TimeSpan Time);

/// <summary>
/// Asks for facts hidden in prose. A haystack is read once; each question is asked on a fork of that past, so that no question sees another.
/// Answers are greedy and must agree token for token. Wordings and names are those of one split. One thread at a time.
/// </summary>
public sealed class NeedleEvaluation
{
    private readonly LanguageModel _model;
    private readonly SelectionDevice _device;
    private readonly Tokenizer _tokenizer;
    private readonly Prose _prose;
    private readonly RetrievalTask _task;

    /// <param name="model">a model on that device</param> <param name="device">says what attention gets to see</param>
    /// <param name="tokenizer">the model's</param> <param name="text">prose that the model was not trained on</param> <param name="split">whose wordings and names</param>
    /// <exception cref="InvalidDataException">the text has no sentence inside, or the tokenizer is not one of DeepSeek-V4</exception>
    public NeedleEvaluation(LanguageModel model, SelectionDevice device, Tokenizer tokenizer, string text, Split split)
    {
        ArgumentNullException.ThrowIfNull(model);
        _model = model;
        _device = device;
        _tokenizer = tokenizer;
        _prose = EvaluationProse.Of(text, tokenizer);
        _task = new RetrievalTask(tokenizer, _prose, split);
    }

    /// <summary>Tokens of the prose; longer contexts repeat it.</summary>
    public int ProseTokens => _prose.Length;

    /// <summary>Reads haystacks and asks.</summary>
    /// <param name="kind">any but contracts</param>
    /// <param name="context">tokens, from <see cref="RetrievalTask.HaystackLeast"/> to the model's positions</param>
    /// <param name="seed">of the first haystack; the next ones follow</param>
    /// <param name="samples">haystacks</param>
    /// <param name="progress">told the tokens read so far, or null</param>
    /// <param name="cancellation">stops between pieces of a prompt</param>
    /// <exception cref="RequestException">the context is out of range, or the machine has too little memory</exception>
    public NeedleResult Run(TaskKind kind, int context, ulong seed, int samples, Action<int>? progress, CancellationToken cancellation)
    {
        if (context < RetrievalTask.HaystackLeast || context > _model.Config.MaxPositions)
            throw new RequestException($"context: expected {RetrievalTask.HaystackLeast} to {_model.Config.MaxPositions} tokens, the model's positions, found {context}.");
        // Out of the last window's sight, and of the first one's, unless the context is short.
        int margin = Math.Min(_model.Config.SlidingWindow, context / 16);
        long begin = Stopwatch.GetTimestamp();
        var answers = new List<NeedleAnswer>();
        var prefill = TimeSpan.Zero;
        int tokens = 0, keys = 0;
        for (int i = 0; i < samples; i++)
        {
            ulong sample = unchecked(seed + (ulong)i);
            Haystack haystack = _task.Hide(kind, sample, context, margin);
            using var past = new Generator(_model, _device, context);
            int before = tokens;
            (_device.Seed, _device.Facts) = (sample, []);
            past.Read(haystack.Tokens, read => progress?.Invoke(before + read), cancellation);
            tokens += haystack.Tokens.Length;
            keys += haystack.Answers.Count;
            prefill += past.Stats.PromptTime;
            foreach (HaystackQuestion question in haystack.Questions)
                answers.Add(Ask(past, haystack, question, sample, cancellation));
        }

        _device.Facts = [];
        return new NeedleResult(context, answers, (double)keys / Math.Max(1, samples), tokens, prefill, Stopwatch.GetElapsedTime(begin));
    }

    private NeedleAnswer Ask(Generator past, Haystack haystack, HaystackQuestion question, ulong sample, CancellationToken cancellation)
    {
        using Generator fork = past.Fork();
        TokenSpan evidence = question.Evidence[0];
        // Another question, another draw: otherwise all questions of a haystack would share their luck.
        (_device.Seed, _device.Facts) = (SeededRandom.Mix(unchecked(sample + (ulong)evidence.Start)), question.Facts);
        fork.Read(question.Tokens, progress: null, cancellation);
        int distance = fork.Length - evidence.Start;
        var sampler = new Sampler(SamplingOptions.Greedy, _model.Config.VocabularySize);
        // An end of text is an answer like any other here: a wrong one.
        const int NoEnd = -1;
        int[] given = [.. fork.Generate(sampler, NoEnd, question.AnswerTokens.Length, cancellation).Select(token => token.Id)];
        string text = _tokenizer.Decode([.. given.Where(id => id < _tokenizer.VocabularySize)]);
        return new NeedleAnswer(
            sample, question.Key, question.Answer, text, haystack.KeyOf(text, question.Key), given.AsSpan().SequenceEqual(question.AnswerTokens),
            evidence.Start / (double)(haystack.Tokens.Length - 1), distance);
    }
}
