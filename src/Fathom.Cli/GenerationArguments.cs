using System.CommandLine;
using Fathom.Engine;

namespace Fathom.Cli;

/// <summary>The options of every command that generates text.</summary>
internal sealed class GenerationArguments
{
    private readonly Option<int> _maxTokens;
    private readonly Option<float> _temperature;
    private readonly Option<float> _topP;
    private readonly Option<int> _topK = new("--top-k") { Description = "Draw from the K likeliest tokens; 0 for all.", HelpName = "K" };
    private readonly Option<float> _minP = new("--min-p") { Description = "Draw from tokens at least P times as likely as the likeliest.", HelpName = "P" };
    private readonly Option<long?> _seed = new("--seed") { Description = "Seed of the draws. Default: a random one, told on stderr.", HelpName = "S" };
    private readonly Option<int?> _context = new("--context") { Description = "Tokens of context at most. Default: the model's.", HelpName = "N" };
    private readonly Option<bool> _speculative = new("--speculative")
    {
        Description = "Guess tokens with the model's MTP block and compute two at a time: the same text, faster where guesses are right often enough.",
    };

    private readonly Option<bool> _allowUnused = new("--allow-unused") { Description = "Accept a checkpoint with tensors that the model does not use." };

    public GenerationArguments(int maxTokens, float temperature, float topP)
    {
        _maxTokens = new("--max-tokens") { Description = "Tokens to generate at most.", HelpName = "N", DefaultValueFactory = _ => maxTokens };
        _temperature = new("--temperature") { Description = "Divides the logits; 0 takes the likeliest token.", HelpName = "T", DefaultValueFactory = _ => temperature };
        _topP = new("--top-p") { Description = "Draw from the likeliest tokens that together have probability P.", HelpName = "P", DefaultValueFactory = _ => topP };
        _maxTokens.Validators.Add(result => Arguments.InRange(result, 0, int.MaxValue));
        _topK.Validators.Add(result => Arguments.InRange(result, 0, int.MaxValue));
        _seed.Validators.Add(result => Arguments.InRange(result, 0, long.MaxValue));
        _context.Validators.Add(result => Arguments.InRange(result, 1, int.MaxValue));
    }

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _maxTokens, _temperature, _topK, _topP, _minP, _seed, _context, _speculative, _allowUnused })
            command.Add(option);
    }

    public int MaxTokens(ParseResult parsed) => parsed.GetValue(_maxTokens);

    public bool AllowUnused(ParseResult parsed) => parsed.GetValue(_allowUnused);

    public bool Speculative(ParseResult parsed) => parsed.GetValue(_speculative);

    public int Context(ParseResult parsed, LanguageModel model) => parsed.GetValue(_context) ?? model.Config.MaxPositions;

    public SamplingOptions Sampling(ParseResult parsed)
    {
        try
        {
            return new SamplingOptions
            {
                Temperature = parsed.GetValue(_temperature),
                TopK = parsed.GetValue(_topK),
                TopP = parsed.GetValue(_topP),
                MinP = parsed.GetValue(_minP),
                Seed = (ulong)(parsed.GetValue(_seed) ?? Random.Shared.NextInt64(1L << 32)),
            }.Validate();
        }
        catch (RequestException problem)
        {
            throw new UsageException("--" + problem.Message);
        }
    }
}
