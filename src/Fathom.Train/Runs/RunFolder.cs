using System.Globalization;
using System.Text.Json;
using Fathom.Train.Data;

namespace Fathom.Train.Runs;

/// <summary>
/// What a run leaves on disk: the trainer's state, the sampler's place for that state, the log. A state is only read together with the place
/// that was written for its step, so a run killed at any moment goes on from the last whole pair.
/// </summary>
public sealed class RunFolder
{
    private const string StateName = "state.bin";

    /// <summary>The folder, made if it isn't there.</summary>
    public RunFolder(string path)
    {
        FolderPath = System.IO.Path.GetFullPath(path);
        Directory.CreateDirectory(FolderPath);
    }

    /// <summary>Where it is.</summary>
    public string FolderPath { get; }

    /// <summary>The trainer's state.</summary>
    public string StatePath => System.IO.Path.Combine(FolderPath, StateName);

    /// <summary>Every step's figures.</summary>
    public string LogPath => System.IO.Path.Combine(FolderPath, "log.csv");

    /// <summary>The curves as a picture.</summary>
    public string CurvePath => System.IO.Path.Combine(FolderPath, "curves.svg");

    /// <summary>The model made so far.</summary>
    public string ModelPath => System.IO.Path.Combine(FolderPath, "model");

    /// <summary>Whether there is a state to go on from.</summary>
    public bool HasState => File.Exists(StatePath);

    /// <summary>Writes the sampler's place first and the trainer's state after it; then older places are removed.</summary>
    public void Save(Trainer trainer, SamplerState place)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        string current = PlacePath(trainer.Steps), aside = current + ".tmp";
        File.WriteAllBytes(aside, JsonSerializer.SerializeToUtf8Bytes(place, RunJson.Default.SamplerState));
        File.Move(aside, current, overwrite: true);
        trainer.SaveState(StatePath);
        foreach (string old in Directory.EnumerateFiles(FolderPath, "place-*.json").Where(path => path != current))
        {
            File.Delete(old);
        }
    }

    /// <summary>The sampler's place for a state of <paramref name="steps"/> steps.</summary>
    /// <exception cref="RunException">it is missing or malformed</exception>
    public SamplerState Place(long steps)
    {
        string path = PlacePath(steps);
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), RunJson.Default.SamplerState)
                ?? throw new RunException($"{path}: expected the sampler's place, found null.");
        }
        catch (Exception problem) when (problem is JsonException or IOException)
        {
            throw new RunException($"{path}: expected the sampler's place for the state of step {steps}, found: {problem.Message}", problem);
        }
    }

    private string PlacePath(long steps) =>
        System.IO.Path.Combine(FolderPath, string.Create(CultureInfo.InvariantCulture, $"place-{steps}.json"));
}
