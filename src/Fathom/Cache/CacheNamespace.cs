using System.Security.Cryptography;
using System.Text;

namespace Fathom.Cache;

/// <summary>
/// Within which caches may be found again: everything that a row depends on beside the tokens in front of it, and whose they are. Another model, another format or
/// another tenant is another namespace, so that a mismatch is a miss.
/// </summary>
public sealed class CacheNamespace
{
    private const int NameDigits = 32;

    /// <param name="model">for people, the model's name</param> <param name="parts">everything else that tells namespaces apart, in a fixed order</param>
    /// <param name="tenant">whose caches they are; empty where there is one owner</param>
    /// <param name="hasDrafts">of sequences that the MTP block has read too</param>
    public CacheNamespace(string model, IEnumerable<string> parts, string tenant = "", bool hasDrafts = false)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentNullException.ThrowIfNull(tenant);
        Model = model;
        Parts = hasDrafts ? [.. parts, "drafts"] : [.. parts];
        HasDrafts = hasDrafts;
        // Lengths in front keep ("ab", "c") and ("a", "bc") apart.
        string text = string.Concat(Parts.Append(tenant).Select(part => $"{part.Length}:{part}"));
        Digest = SHA256.HashData(Encoding.UTF8.GetBytes(text));
    }

    /// <summary>For people.</summary>
    public string Model { get; }

    /// <summary>What tells it apart, without the tenant.</summary>
    public IReadOnlyList<string> Parts { get; }

    /// <summary>Whether the MTP block has read its sequences too, so that tokens can be guessed behind them.</summary>
    public bool HasDrafts { get; }

    /// <summary>SHA-256 of the parts and the tenant; part of every id.</summary>
    internal byte[] Digest { get; }

    /// <summary>Name of its folder.</summary>
    internal string FolderName => Convert.ToHexStringLower(Digest)[..NameDigits];
}
