using Fathom.Checkpoints;
using Xunit;

namespace Fathom.Tests.Checkpoints;

public class ConfigReaderTests
{
    public static TheoryData<string> Cases => [.. GoldenCases()];

    internal static IEnumerable<string> GoldenCases() => Directory.GetDirectories(TestFiles.Path("tests", "goldens"))
        .Where(folder => File.Exists(Path.Combine(folder, "config.json"))).Append(TestFiles.Path("models", "fathom-nano")).Order(StringComparer.Ordinal);

    [Theory]
    [MemberData(nameof(Cases))]
    public void Reads_every_golden_config_without_unknown_keys(string folder)
    {
        ConfigFile file = ConfigReader.Read(folder);
        Assert.Equal(ConfigSpelling.Released, file.Spelling);
        Assert.Empty(file.UnknownKeys);
        Assert.Equal(file.Config.LayerCount + file.Config.MtpLayerCount, file.Config.CompressRatios.Count);
    }
}
