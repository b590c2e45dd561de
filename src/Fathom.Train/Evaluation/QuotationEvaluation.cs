using System.Text;
using Fathom.Devices;
using Fathom.Engine;
using Fathom.Text;
using Fathom.Train.Data.Tasks;

namespace Fathom.Train.Evaluation;

/// <summary>What a model said when it was asked about a contract.</summary>
/// <param name="Sample">seed of the text</param> <param name="Contracts">in the text</param> <param name="Key">what was asked for</param> <param name="Expected">the answer</param>
/// <param name="Given">the model's, without blanks around it</param> <param name="IsQuoted">whether it stands in the text as it is</param>
public sealed record QuotedAnswer(ulong Sample, int Contracts, string Key, string Expected, string Given, bool IsQuoted)
{
    /// <summary>Whether it is the answer, letter by letter.</summary>
    public bool IsExact => Given == Expected;
}

/// <summary>
/// Asks about contracts in the chat format, one question at a time on a fork of the text's past; answers are greedy, either free or held to
/// the words of the text. Wordings and names are those of one split. One thread at a time.
/// </summary>
public sealed class QuotationEvaluation
{
    // The longest answer is a name of fifteen letters.
    private const int AnswerTokensMax = 48;

    private readonly LanguageModel _model;
    private readonly Device _device;
    private readonly Tokenizer _tokenizer;
    private readonly TokenTrie _tokens;
    private readonly ContractTask _task;

    /// <param name="model">a loaded model</param> <param name="device">the device it is on</param>
    /// <param name="tokenizer">the model's, with the control tokens of the chat format</param>
    /// <param name="text">prose that the model was not trained on</param> <param name="split">whose wordings and names</param>
    /// <exception cref="InvalidDataException">the text has no sentence inside, or the tokenizer is not one of DeepSeek-V4</exception>
    public QuotationEvaluation(LanguageModel model, Device device, Tokenizer tokenizer, string text, Split split)
    {
        _model = model;
        _device = device;
        _tokenizer = tokenizer;
        _tokens = new TokenTrie(tokenizer);
        _task = new ContractTask(tokenizer, EvaluationProse.Of(text, tokenizer), split);
    }

    /// <summary>Reads one text after the other and asks.</summary>
    /// <param name="context">tokens of a text, at least <see cref="ContractTask.ReadingLeast"/></param> <param name="seed">of the first text; the next ones follow</param>
    /// <param name="samples">texts</param> <param name="constrained">whether an answer must be words of its text</param>
    /// <param name="progress">told the tokens read so far, or null</param> <param name="cancellation">stops between pieces of a prompt</param>
    /// <exception cref="RequestException">the context is out of range, or the machine has too little memory</exception>
    public IReadOnlyList<QuotedAnswer> Run(
        int context, ulong seed, int samples, bool constrained, Action<int>? progress, CancellationToken cancellation)
    {
        if (context < ContractTask.ReadingLeast || context > _model.Config.MaxPositions)
            throw new RequestException($"context: expected {ContractTask.ReadingLeast} to {_model.Config.MaxPositions} tokens, the model's positions, found {context}.");
        var answers = new List<QuotedAnswer>();
        for (int i = 0, read = 0; i < samples; i++)
        {
            ulong sample = unchecked(seed + (ulong)i);
            ContractReading reading = _task.Read(sample, context);
            int[][] prompts = [.. reading.Questions.Select(question => question.Prompt)];
            int shared = Shared(prompts), before = read;
            using var past = new Generator(_model, _device, Math.Min(prompts.Max(prompt => prompt.Length) + AnswerTokensMax, _model.Config.MaxPositions));
            past.Read(prompts[0].AsSpan(0, shared), tokens => progress?.Invoke(before + tokens), cancellation);
            read += shared;
            Quotation? quotation = constrained
                ? new Quotation(Encoding.UTF8.GetBytes(reading.Source), _tokens, _model.Config.EosToken, _model.Config.VocabularySize) : null;
            foreach (ContractQuestion question in reading.Questions)
            {
                using Generator fork = past.Fork();
                fork.Read(question.Prompt.AsSpan(shared), progress: null, cancellation);
                string given = Answer(fork, quotation, cancellation);
                bool isQuoted = given.Length > 0 && reading.Source.Contains(given, StringComparison.Ordinal);
                answers.Add(new QuotedAnswer(sample, reading.Contracts, question.Key, question.Answer, given, isQuoted));
            }
        }

        return answers;
    }

    private string Answer(Generator fork, Quotation? quotation, CancellationToken cancellation)
    {
        quotation?.Restart();
        var sampler = new Sampler(SamplingOptions.Greedy, _model.Config.VocabularySize) { Mask = quotation?.Mask };
        var ids = new List<int>();
        foreach (Token token in fork.Generate(sampler, _model.Config.EosToken, AnswerTokensMax, cancellation))
        {
            quotation?.Push(token.Id);
            if (token.Id < _tokenizer.VocabularySize)
                ids.Add(token.Id);
        }

        return _tokenizer.Decode([.. ids]).Trim();
    }

    /// <summary>Tokens with which all prompts begin, less than any has.</summary>
    private static int Shared(int[][] prompts)
    {
        int shared = prompts.Min(prompt => prompt.Length) - 1;
        foreach (int[] prompt in prompts)
            shared = Math.Min(shared, prompts[0].AsSpan().CommonPrefixLength(prompt));
        return shared;
    }
}
