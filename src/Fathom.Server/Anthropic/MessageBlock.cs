using System.Text;

namespace Fathom.Server.Anthropic;

/// <summary>What a block of a reply holds.</summary>
internal enum BlockKind
{
    /// <summary>Reasoning.</summary>
    Thinking,

    /// <summary>A piece of the answer.</summary>
    Text,

    /// <summary>A call of a tool.</summary>
    ToolUse,
}

/// <summary>A block of a reply, as far as it has come.</summary>
/// <param name="Index">its place in the reply</param> <param name="Kind">what it holds</param>
internal sealed record MessageBlock(int Index, BlockKind Kind)
{
    /// <summary>Id of the call; empty for other blocks.</summary>
    public string Id { get; init; } = "";

    /// <summary>Name of the tool; empty for other blocks.</summary>
    public string Name { get; init; } = "";

    /// <summary>Thinking, text, or the JSON text of the input.</summary>
    public StringBuilder Text { get; } = new();

    /// <summary>Whether nothing is missing: a call that was cut off must not be made.</summary>
    public bool IsWhole { get; set; }
}
