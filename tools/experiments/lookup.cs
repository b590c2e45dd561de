#!/usr/bin/env dotnet
#:project ../../src/Fathom.Train/Fathom.Train.csproj
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false

// dotnet run -c Release tools/experiments/lookup.cs -- [NAME=VALUE…]: how soon does a small model learn to look a value up behind its key?
// Samples of 128 tokens: pairs of a random key and a random value with other tokens between them, then the keys again. Between a key and its value
// stands nothing (direct), one fixed token (apart), or one in every other sample (both); echo asks for the key itself behind that token. Prints the mean
// loss of 50 steps, in nats, of samples without and with such a token.
using System.Globalization;
using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Train;
using Fathom.Train.Optimizers;

const int Report = 50;
Settings settings;
try
{
    settings = new Settings(args);
}
catch (ArgumentException problem)
{
    Console.Error.WriteLine(problem.Message);
    return 2;
}
var samples = new PairSamples(settings);
using Trainer trainer = settings.Begin(new PairSamples(settings).Frequencies());
double direct = 0, apart = 0;
for (int step = 1; step <= settings.Number("steps"); step++)
{
    StepStatistics statistics = trainer.Step(samples.Next());
    (direct, apart) = (direct + (statistics.AnswerLoss ?? 0), apart + (statistics.TextLoss ?? 0));
    if (step % Report == 0)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"step {step}, direct {direct / Report:F3}, apart {apart / Report:F3}"));
        (direct, apart) = (0, 0);
    }
}
return 0;

/// <summary>What can be set, with what it is otherwise.</summary>
internal sealed class Settings
{
    private readonly Dictionary<string, string> _values = new()
    {
        ["config"] = "runs/nano/config.json", ["ratios"] = "0,4", ["hidden"] = "256", ["vocabulary"] = "2048", ["length"] = "128", ["pairs"] = "8",
        ["between"] = "4", ["kind"] = "direct", ["batch"] = "2048", ["rate"] = "0.005", ["small"] = "20", ["embedding"] = "0.1", ["head"] = "0.1",
        ["steps"] = "200", ["deviation"] = "", ["seed"] = "1",
    };

    public Settings(string[] arguments)
    {
        foreach (string argument in arguments)
        {
            string[] parts = argument.Split('=');
            if (parts.Length != 2 || !_values.ContainsKey(parts[0]))
            {
                throw new ArgumentException($"{argument}: expected one of {string.Join(", ", _values.Keys.Select(name => name + "=…"))}.");
            }
            _values[parts[0]] = parts[1];
        }
    }

    public string this[string name] => _values[name];

    public int Number(string name) => int.Parse(_values[name], CultureInfo.InvariantCulture);

    public float Real(string name) => float.Parse(_values[name], CultureInfo.InvariantCulture);

    public Trainer Begin(long[] frequencies)
    {
        int[] ratios = [.. this["ratios"].Split(',').Select(int.Parse)];
        ModelConfig config = ConfigReader.Read(this["config"]).Config with
        {
            VocabularySize = Number("vocabulary"), HiddenSize = Number("hidden"), LayerCount = ratios.Length, CompressRatios = [.. ratios, 0],
            HashLayerCount = 0, MtpLayerCount = 0, ExpertCount = 4,
        };
        return Trainer.Begin(config, new TrainerOptions
        {
            Schedule = new Schedule { PeakRate = Real("rate"), TotalSteps = Number("steps"), WarmupSteps = 10, DecaySteps = 0, FinalFraction = 1 },
            SmallRate = Real("small"), EmbeddingRate = Real("embedding"), HeadRate = Real("head"), MtpWeight = 0, RecallEntries = 0,
            InitialDeviation = this["deviation"].Length == 0 ? null : Real("deviation"),
        }, frequencies);
    }
}

/// <summary>The samples. Those with a token between key and value are no tasks to the trainer, so that their loss is counted apart.</summary>
internal sealed class PairSamples(Settings settings)
{
    private const int Separator = 2, FirstKey = 3;

    private readonly Random _random = new(settings.Number("seed"));
    private readonly int _length = settings.Number("length");
    private readonly int _vocabulary = settings.Number("vocabulary");

    /// <summary>How often tokens occur, from samples that are not seen again.</summary>
    public long[] Frequencies()
    {
        var counts = new long[_vocabulary];
        for (int n = 0; n < 1000; n++)
        {
            foreach (int token in Draw(n % 2 == 0).Tokens)
            {
                counts[token]++;
            }
        }
        return counts;
    }

    public PackedBatch Next()
    {
        var batch = new PackedBatch();
        for (int n = 0; n < settings.Number("batch") / _length; n++)
        {
            bool isApart = settings["kind"] is "apart" or "echo" || (settings["kind"] == "both" && n % 2 == 0);
            (int[] tokens, int[] targets) = Draw(isApart);
            batch.Add(tokens, targets, isTask: !isApart);
        }
        return batch;
    }

    private (int[] Tokens, int[] Targets) Draw(bool isApart)
    {
        int pairs = (int)Math.Exp(_random.NextDouble() * Math.Log(settings.Number("pairs") + 1));          // one pair as often as the most
        int[] keys = [.. Enumerable.Range(FirstKey, (_vocabulary / 2) - FirstKey)];
        _random.Shuffle(keys);
        int[] values = [.. Enumerable.Range(0, pairs).Select(_ => _random.Next(_vocabulary / 2, _vocabulary))];
        var tokens = new List<int> { 0 };
        var targets = new int[_length];
        Array.Fill(targets, PackedBatch.NoTarget);
        for (int i = 0; i < pairs; i++)
        {
            tokens.AddRange(isApart ? [keys[i], Separator, values[i]] : [keys[i], values[i]]);
            tokens.AddRange(Enumerable.Range(0, settings.Number("between")).Select(_ => keys[_random.Next(pairs, keys.Length)]));
        }
        while (tokens.Count + 3 <= _length)
        {
            int asked = _random.Next(pairs);
            tokens.AddRange(isApart ? [keys[asked], Separator] : [keys[asked]]);
            targets[tokens.Count - 1] = settings["kind"] == "echo" ? keys[asked] : values[asked];
            tokens.Add(values[asked]);
        }
        return ([.. tokens, .. new int[_length - tokens.Count]], targets);
    }
}
