using System.Text;
using Fathom.Serving;

namespace Fathom.Server.Responses;

/// <summary>What an item of a response holds.</summary>
internal enum ItemKind
{
    /// <summary>Reasoning.</summary>
    Reasoning,

    /// <summary>A piece of the answer.</summary>
    Message,

    /// <summary>A call of a function.</summary>
    FunctionCall,

    /// <summary>A call of a tool whose input is a text.</summary>
    CustomCall,
}

/// <summary>An item of a response, as far as it has come.</summary>
/// <param name="Index">its place in the output</param> <param name="Kind">what it holds</param> <param name="Id">of the item</param>
internal sealed record ResponseItem(int Index, ItemKind Kind, string Id)
{
    /// <summary>Id of the call; empty for other items.</summary>
    public string CallId { get; init; } = "";

    /// <summary>The tool that is called; null for other items.</summary>
    public OfferedTool? Tool { get; init; }

    /// <summary>Reasoning, text, or the JSON text of the arguments.</summary>
    public StringBuilder Text { get; } = new();

    /// <summary>Log-probabilities of the text's tokens, if they were asked for.</summary>
    public List<TokenScore> Scores { get; } = [];

    /// <summary>Whether more may come.</summary>
    public bool IsOpen { get; set; } = true;

    /// <summary>Whether nothing is missing: a call that was cut off must not be made.</summary>
    public bool IsWhole { get; set; }

    /// <summary>Whether it is a call.</summary>
    public bool IsCall => Tool is not null;

    /// <summary>What the client gets of the text.</summary>
    public string Shown => Kind == ItemKind.CustomCall && IsWhole ? ResponsesTools.InputOf(Text.ToString()) : Text.ToString();
}
