using System.CommandLine;
using Fathom.Cache;
using Fathom.Engine;

namespace Fathom.Cli;

/// <summary>Where caches are kept on the disk, and whether.</summary>
internal sealed class CacheArguments
{
    private readonly Option<string?> _folder = Folder();
    private readonly Option<double> _budget = new("--cache-budget")
    {
        Description = "Gigabytes that the caches of a model may take; the least useful are removed first, pinned ones never.",
        HelpName = "GB",
        DefaultValueFactory = _ => 20,
    };

    /// <summary>In the user's data folder.</summary>
    public static string DefaultFolder => Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData), "fathom", "cache");

    public static Option<string?> Folder() => new("--cache-dir") { Description = $"Where caches are kept. Default: {DefaultFolder}.", HelpName = "DIR" };

    public void AddTo(Command command)
    {
        command.Add(_folder);
        command.Add(_budget);
    }

    /// <summary>The model's store; for speculative decoding, that of sequences that MTP has read too.</summary>
    public PrefixStore Open(ParseResult parsed, ModelSession session, bool speculative) =>
        Open(parsed, session, StoreScope.Of(session.Model, hasDrafts: speculative));

    /// <summary>The store of a namespace of the model, a tenant's for one: to find a namespace out reads the model's files.</summary>
    public PrefixStore Open(ParseResult parsed, ModelSession session, CacheNamespace scope)
    {
        double budget = parsed.GetValue(_budget);
        if (!(budget > 0) || budget > 1e9)
            throw new UsageException($"--cache-budget: expected gigabytes above 0, found {budget}.");
        var options = new StoreOptions { BudgetBytes = (long)(budget * 1e9), Report = Console.Error.WriteLine };
        return new PrefixStore(parsed.GetValue(_folder) ?? DefaultFolder, scope, session.Device, session.Model.Transformer.Layout, options);
    }
}
