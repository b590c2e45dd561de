using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Fathom.Prompts;
using Xunit;

namespace Fathom.Tests.Prompts;

public class ProtocolTextsTests
{
    private static readonly JsonElement s_manifest =
        JsonDocument.Parse(File.ReadAllBytes(TestFiles.Path("tests", "data", "encoding", "manifest.json"))).RootElement;

    public static TheoryData<string> Names => [.. s_manifest.GetProperty("texts").EnumerateArray().Select(text => text.GetProperty("name").GetString()!)];

    internal static string[] Tokens { get; } =
        [.. typeof(ProtocolTokens).GetFields().Where(field => field.IsLiteral).Select(field => (string)field.GetRawConstantValue()!)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_text_has_the_published_hash(string name)
    {
        JsonElement entry = s_manifest.GetProperty("texts").EnumerateArray().Single(text => text.GetProperty("name").GetString() == name);
        byte[] bytes = Encoding.UTF8.GetBytes(ProtocolTexts.Read(name));
        Assert.Equal(entry.GetProperty("bytes").GetInt32(), bytes.Length);
        Assert.Equal(entry.GetProperty("sha256").GetString(), Convert.ToHexStringLower(SHA256.HashData(bytes)));
    }

    [Fact]
    public void The_notice_travels_with_the_texts() =>
        Assert.NotNull(typeof(ProtocolTexts).Assembly.GetManifestResourceInfo("Fathom.Prompts.Protocol.NOTICE"));

    [Fact]
    public void Every_token_of_the_manifest_has_a_constant()
    {
        foreach (JsonProperty token in s_manifest.GetProperty("tokens").EnumerateObject())
            Assert.Contains(token.Value.GetProperty("text").GetString()!, Tokens);
    }
}
