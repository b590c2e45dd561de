using Fathom.Engine;

namespace Fathom.Server;

/// <summary>Reads how tokens are drawn. Stateless.</summary>
internal static class SamplingFields
{
    private const double TemperatureMax = 2;
    private const int SeedBits = 53;

    private static readonly string[] s_penalties = ["frequency_penalty", "presence_penalty"];

    /// <summary>The sampling of a body. Without a seed, each request gets one of its own.</summary>
    /// <param name="fields">of the body</param>
    /// <param name="thinks">whether the model thinks: temperature and top_p are then its own</param>
    /// <param name="ignored">gets the names of fields that have no effect</param>
    public static SamplingOptions Read(JsonFields fields, bool thinks, ISet<string> ignored)
    {
        double? temperature = fields.Number("temperature", 0, TemperatureMax), topP = fields.Number("top_p", float.Epsilon, 1);
        if (thinks)
        {
            // A model that thinks by the likeliest tokens runs in circles: DeepSeek's API leaves both out, and so does this one.
            Ignore(temperature is not (null or 1), "temperature");
            Ignore(topP is not (null or 1), "top_p");
        }
        foreach (string penalty in s_penalties)
        {
            Ignore(fields.Number(penalty, -2, 2) is not (null or 0), penalty);
        }
        double? seed = fields.Number("seed", -(1L << SeedBits), 1L << SeedBits);
        return new SamplingOptions
        {
            Temperature = thinks ? 1 : (float)(temperature ?? 1),
            TopP = thinks ? 1 : (float)(topP ?? 1),
            TopK = fields.Integer("top_k", 0) ?? 0,
            MinP = (float)(fields.Number("min_p", 0, 1) ?? 0),
            Seed = seed is { } given ? unchecked((ulong)(long)given) : (ulong)Random.Shared.NextInt64(),
        };

        void Ignore(bool isGiven, string name)
        {
            if (isGiven)
            {
                ignored.Add(name);
            }
        }
    }
}
