using System.Text.Json;
using Fathom.Prompts;
using Fathom.Verification;

namespace Fathom.Tests.Prompts;

/// <summary>The conversations of chat.json.</summary>
internal static class ChatGoldens
{
    private static readonly JsonElement s_root = Load("chat.json");

    public static JsonElement Load(string file)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(TestFiles.Path("tests", "goldens", file)));
        return document.RootElement.Clone();
    }

    public static IEnumerable<JsonElement> Cases => s_root.GetProperty("cases").EnumerateArray();

    public static IEnumerable<JsonElement> FillInTheMiddle => s_root.GetProperty("fim").EnumerateArray();

    public static JsonElement Case(string name) => Cases.Single(c => c.GetProperty("name").GetString() == name);

    public static RenderedPrompt Encode(JsonElement golden) => GoldenConversation.Encode(golden);
}
