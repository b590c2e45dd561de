using System.Text.Json;
using Fathom.Model;

namespace Fathom.Checkpoints;

/// <summary>
/// Reads a model's config.json in any of its three spellings. A missing key is an error; a key that would change the computation in a way
/// the engine doesn't have is an error; other unknown keys are collected. Stateless; may be called from any thread.
/// </summary>
public static class ConfigReader
{
    private const string FileName = "config.json";
    private const int LengthMax = 16 * 1024 * 1024;

    /// <summary>Reads and validates the config.</summary>
    /// <param name="path">a model's folder, or the file itself</param>
    /// <exception cref="ModelConfigException">
    /// the file is missing or no JSON, or the config is incomplete, contradicts itself or asks for another architecture
    /// </exception>
    public static ConfigFile Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string file = Directory.Exists(path) ? Path.Combine(path, FileName) : path;
        byte[] json;
        try
        {
            long length = new FileInfo(file).Length;
            if (length > LengthMax)
            {
                throw new ModelConfigException($"{file}: expected at most {LengthMax} bytes, found {length}. Is this a config?");
            }
            json = File.ReadAllBytes(file);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ModelConfigException($"{file}: expected a model's config, found no such file. Is this a model's folder?", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new ModelConfigException($"{file}: can't be read: {e.Message} Check that you may read it.", e);
        }
        return Parse(json, file);
    }

    /// <summary>Reads and validates a config that is already in memory.</summary>
    /// <param name="json">UTF-8</param> <param name="file">where it came from, for messages</param>
    /// <exception cref="ModelConfigException">as <see cref="Read"/></exception>
    public static ConfigFile Parse(ReadOnlyMemory<byte> json, string file)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new ModelConfigException($"{file}: expected a JSON object, found a JSON {document.RootElement.ValueKind}. Is this a model's config?");
            }
            var keys = new ConfigKeys(document.RootElement, file);
            ConfigSpelling spelling = Spelling(keys);
            ModelConfig config = spelling == ConfigSpelling.Inference ? InferenceConfig.Read(keys) : HuggingFaceConfig.Read(keys);
            return new ConfigFile { Config = Validated(config, file), Spelling = spelling, UnknownKeys = [.. keys.Unread()] };
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a string that isn't valid UTF-8 or UTF-16.
            throw new ModelConfigException($"{file}: expected JSON without duplicate keys, found otherwise: {e.Message} Download the file again.", e);
        }
    }

    private static ConfigSpelling Spelling(ConfigKeys keys)
    {
        CheckArchitecture(keys);
        if (keys.Has("dim") && keys.Has("n_layers"))
        {
            return ConfigSpelling.Inference;
        }
        if (!keys.Has("architectures") && !keys.Has("model_type"))
        {
            throw keys.Wrong("model_type", "deepseek_v4 (or dim and n_layers of inference/config.json)", "neither", "Is this a DeepSeek-V4 model?");
        }
        return keys.Has("layer_types") || keys.Has("mlp_layer_types") || keys.Has("rope_parameters")
            ? ConfigSpelling.Transformers
            : ConfigSpelling.Released;
    }

    private static void CheckArchitecture(ConfigKeys keys)
    {
        const string Next = "This engine runs DeepSeek-V4; another model needs another engine.";
        keys.Must("model_type", "deepseek_v4", Next);
        if (keys.Has("architectures"))
        {
            IReadOnlyList<string> names = keys.Strings("architectures");
            if (names is not ["DeepseekV4ForCausalLM"])
            {
                throw keys.Wrong("architectures", "DeepseekV4ForCausalLM", names.Count == 0 ? "none" : string.Join(", ", names), Next);
            }
        }
    }

    private static ModelConfig Validated(ModelConfig config, string file)
    {
        try
        {
            return config.Validate();
        }
        catch (ModelConfigException e)
        {
            throw new ModelConfigException($"{file}: {e.Message}", e);
        }
    }
}
