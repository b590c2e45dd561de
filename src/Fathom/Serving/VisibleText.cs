using System.Security.Cryptography;
using System.Text;
using Fathom.Prompts;

namespace Fathom.Serving;

/// <summary>What a client sees of a conversation, as hashes: reasoning and system texts left out, since clients drop the one and change the other.</summary>
internal static class VisibleText
{
    /// <summary>The text of a content, without blanks around it.</summary>
    public static string Of(MessageContent content) =>
        string.Join("\n\n", content.Parts.Select(part => part is ContentPart.Text text ? text.Value : "")).Trim();

    /// <summary>For each message the hash of what stands before it, and one more behind the last.</summary>
    public static string[] Chain(string tenant, IReadOnlyList<Message> messages)
    {
        var chain = new string[messages.Count + 1];
        chain[0] = Hash("", "tenant", tenant);
        for (int i = 0; i < messages.Count; i++)
        {
            chain[i + 1] = messages[i] switch
            {
                Message.User user => Hash(chain[i], "user", Of(user.Content)),
                Message.Developer developer => Hash(chain[i], "user", Of(developer.Content)),
                Message.ToolResult result => Hash(chain[i], "tool", Of(result.Content)),
                Message.Assistant assistant => Turn(chain[i], Of(assistant.Content), assistant.ToolCalls),
                _ => chain[i],
            };
        }
        return chain;
    }

    /// <summary>The hash of a turn of the model behind others.</summary>
    public static string Turn(string before, string content, IReadOnlyList<ToolCall> calls) =>
        Hash(before, "assistant", content.Trim(), [.. calls.Select(call => call.Name)]);

    private static string Hash(string before, string role, string text, params string[] names)
    {
        // Lengths in front keep parts apart.
        string all = string.Concat(new[] { before, role, text }.Concat(names).Select(part => $"{part.Length}:{part}"));
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(all)));
    }
}
