#!/usr/bin/env dotnet
#:project ../../src/Fathom.Train/Fathom.Train.csproj
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false

// dotnet run -c Release tools/experiments/lookup.cs -- [NAME=VALUE…]: how soon does a model of two layers learn to look a value up behind its key?
// Samples of 128 tokens: pairs of a random key and a random value with other tokens between them, then the keys again. Between a key and its value
// stands nothing (direct), one fixed token (apart), or one in every other sample (both). Prints the mean loss of 50 steps, in nats, of either kind.
using System.Globalization;
using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Train;
using Fathom.Train.Optimizers;

var settings = new Dictionary<string, string>
{
    ["config"] = "runs/nano/config.json", ["ratios"] = "0,4", ["hidden"] = "256", ["vocabulary"] = "2048", ["length"] = "128", ["pairs"] = "8",
    ["between"] = "4", ["kind"] = "direct", ["batch"] = "2048", ["rate"] = "0.005", ["small"] = "20", ["embedding"] = "0.1", ["head"] = "0.1",
    ["steps"] = "200", ["deviation"] = "", ["seed"] = "1",
};
foreach (string argument in args)
{
    string[] parts = argument.Split('=');
    if (parts.Length != 2 || !settings.ContainsKey(parts[0]))
    {
        Console.Error.WriteLine($"{argument}: expected one of {string.Join(", ", settings.Keys.Select(name => name + "=…"))}.");
        return 2;
    }
    settings[parts[0]] = parts[1];
}

const int Separator = 2, FirstKey = 3, Report = 50;
int vocabulary = Number("vocabulary"), length = Number("length"), steps = Number("steps");
int[] ratios = [.. settings["ratios"].Split(',').Select(int.Parse)];
ModelConfig config = ConfigReader.Read(settings["config"]).Config with
{
    VocabularySize = vocabulary, HiddenSize = Number("hidden"), LayerCount = ratios.Length, CompressRatios = [.. ratios, 0], HashLayerCount = 0, MtpLayerCount = 0, ExpertCount = 4,
};
using Trainer trainer = Trainer.Begin(config, new TrainerOptions
{
    Schedule = new Schedule { PeakRate = Real("rate"), TotalSteps = steps, WarmupSteps = 10, DecaySteps = 0, FinalFraction = 1 },
    SmallRate = Real("small"), EmbeddingRate = Real("embedding"), HeadRate = Real("head"), MtpWeight = 0, RecallEntries = 0, InitialDeviation = settings["deviation"].Length == 0 ? null : Real("deviation"),
});
var random = new Random(Number("seed"));
double direct = 0, apart = 0;
for (int step = 1; step <= steps; step++)
{
    var batch = new PackedBatch();
    for (int n = 0; n < Number("batch") / length; n++)
    {
        AddSample(batch, settings["kind"] == "apart" || (settings["kind"] == "both" && n % 2 == 0));
    }
    StepStatistics statistics = trainer.Step(batch);
    (direct, apart) = (direct + (statistics.AnswerLoss ?? 0), apart + (statistics.TextLoss ?? 0));
    if (step % Report == 0)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"step {step}, direct {direct / Report:F3}, apart {apart / Report:F3}"));
        (direct, apart) = (0, 0);
    }
}
return 0;

void AddSample(PackedBatch batch, bool isApart)
{
    int pairs = (int)Math.Exp(random.NextDouble() * Math.Log(Number("pairs") + 1));            // one pair as often as the most
    int[] keys = [.. Enumerable.Range(FirstKey, (vocabulary / 2) - FirstKey)];
    random.Shuffle(keys);
    int[] values = [.. Enumerable.Range(0, pairs).Select(_ => random.Next(vocabulary / 2, vocabulary))];
    var tokens = new List<int> { 0 };
    var targets = new int[length];
    Array.Fill(targets, PackedBatch.NoTarget);
    for (int i = 0; i < pairs; i++)
    {
        tokens.AddRange(isApart ? [keys[i], Separator, values[i]] : [keys[i], values[i]]);
        tokens.AddRange(Enumerable.Range(0, Number("between")).Select(_ => keys[random.Next(pairs, keys.Length)]));
    }
    while (tokens.Count + 3 <= length)
    {
        int asked = random.Next(pairs);
        tokens.AddRange(isApart ? [keys[asked], Separator] : [keys[asked]]);
        targets[tokens.Count - 1] = values[asked];
        tokens.Add(values[asked]);
    }
    int[] padded = [.. tokens, .. new int[length - tokens.Count]];
    batch.Add(padded, targets, isTask: !isApart);
}

int Number(string name) => int.Parse(settings[name], CultureInfo.InvariantCulture);

float Real(string name) => float.Parse(settings[name], CultureInfo.InvariantCulture);
