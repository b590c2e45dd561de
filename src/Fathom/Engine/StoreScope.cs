using System.Globalization;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;
using System.Text;
using Fathom.Cache;

namespace Fathom.Engine;

/// <summary>The namespace of a loaded model's caches. Stateless.</summary>
public static class StoreScope
{
    // To be raised with every change of arithmetic or of the files' content: caches of before are then misses.
    private const string Version = "2";

    private const long WholeBytes = 64L << 20;
    private const int SampleBytes = 64 << 10;
    private const int Samples = 64;

    /// <summary>
    /// Config, tokenizer and weights of the model's folder, the cache's format, the numeric mode, and the kernels of this processor. Reads a few
    /// megabytes of each large file.
    /// </summary>
    /// <param name="model">a loaded model</param> <param name="tenant">whose caches they are; empty where there is one owner</param>
    /// <param name="hasDrafts">for speculative decoding: of sequences that the MTP block has read too</param>
    /// <exception cref="IOException">a file of the model can't be read</exception>
    public static CacheNamespace Of(LanguageModel model, string tenant = "", bool hasDrafts = false)
    {
        ArgumentNullException.ThrowIfNull(model);
        string[] files = [.. Directory.EnumerateFiles(model.Folder).Where(IsPart).Order(StringComparer.Ordinal)];
        string mode = model.NumericMode.ToString().ToLowerInvariant();
        string[] parts =
        [
            $"version {Version}",
            $"cache {model.Transformer.Layout.Format}",
            $"arithmetic {mode}, vectors of {(Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128)} bits",
            .. files.Select(Fingerprint),
        ];
        return new CacheNamespace(Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(model.Folder))), parts, tenant, hasDrafts);
    }

    private static bool IsPart(string file) => Path.GetFileName(file) is "config.json" or "tokenizer.json" || file.EndsWith(".safetensors", StringComparison.Ordinal);

    // Small files whole; large ones by their size, time and samples.
    private static string Fingerprint(string path)
    {
        using var file = File.OpenHandle(path);
        long length = RandomAccess.GetLength(file);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[SampleBytes];
        bool isWhole = length <= WholeBytes;
        if (!isWhole)
        {
            hash.AppendData(Encoding.UTF8.GetBytes(File.GetLastWriteTimeUtc(path).Ticks.ToString(CultureInfo.InvariantCulture)));
        }
        long step = isWhole ? SampleBytes : (length - SampleBytes) / (Samples - 1);
        for (long at = 0; at < length; at += step)
        {
            hash.AppendData(buffer.AsSpan(0, RandomAccess.Read(file, buffer, at)));
        }
        return $"{Path.GetFileName(path)} {length} {Convert.ToHexStringLower(hash.GetHashAndReset())}";
    }
}
