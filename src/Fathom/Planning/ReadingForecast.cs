using Fathom.Devices;
using Fathom.Model;

namespace Fathom.Planning;

/// <summary>
/// How long reading a prompt takes, from how long a part of one took on this machine. Time is taken to grow with the operations, and a later token costs
/// more of them than an earlier one. Start and compilation are no part of it: measure behind the first thousand tokens.
/// </summary>
public sealed class ReadingForecast
{
    // Index scores multiply bytes, four to the lane of a single.
    private const double IndexShare = 0.25;

    private readonly ModelConfig _config;
    private readonly TensorInventory _inventory;

    /// <summary>For a model of this shape.</summary>
    public ReadingForecast(ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        _config = config;
        _inventory = TensorInventory.For(config);
    }

    /// <summary>Seconds that tokens <paramref name="from"/> … <paramref name="to"/> of a context take.</summary>
    /// <param name="from">tokens before</param> <param name="to">tokens with those that are read</param>
    /// <param name="sampleFrom">tokens before the part that was measured</param> <param name="sampleTo">tokens with that part</param>
    /// <param name="sampleSeconds">what the part took</param>
    /// <exception cref="ArgumentOutOfRangeException">the part is empty</exception>
    public double Seconds(int from, int to, int sampleFrom, int sampleTo, double sampleSeconds)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(sampleTo, sampleFrom);
        return sampleSeconds * (Operations(to) - Operations(from)) / (Operations(sampleTo) - Operations(sampleFrom));
    }

    // Of reading so many tokens from nothing, in those of singles.
    private double Operations(int tokens) => CostModel.SumOverPrompt(tokens, context =>
    {
        FlopCount at = CostModel.Flops(_config, _inventory, context);
        return at.Linear + at.Attention + (IndexShare * at.Index);
    });
}
