using Fathom.Tensors;
using Xunit;

namespace Fathom.Tests.Engine;

/// <summary>Tests that count the process's live memory: nothing else may allocate or free while they do.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class MemoryTests
{
    public const string Name = "counts live memory";

    /// <summary>Bytes of all live storages.</summary>
    internal static long LiveBytes => Enum.GetValues<MemoryPurpose>().Sum(Storage.LiveBytes);
}
