using System.Text;

namespace Fathom.Prompts;

/// <summary>A whole reply of the model.</summary>
/// <param name="Reasoning">The thinking; empty for none.</param>
/// <param name="Content">The answer; may be empty.</param>
/// <param name="ToolCalls">The calls, in the model's order.</param>
/// <param name="Problem">Why DeepSeek's parser would refuse the reply; null when it is well formed.</param>
public sealed record Reply(string Reasoning, string Content, IReadOnlyList<ToolCall> ToolCalls, string? Problem)
{
    /// <summary>Reads a well-formed reply, its EOS included.</summary>
    /// <exception cref="PromptException">The reply departs from the format.</exception>
    public static Reply Parse(string text, ThinkingMode thinking)
    {
        var parser = new ReplyParser(thinking);
        Reply reply = From([.. parser.Push(text), .. parser.Complete()]);
        return reply.Problem is null ? reply : throw new PromptException(reply.Problem);
    }

    /// <summary>Puts the events of a parser together; markup that could not be understood counts as text.</summary>
    public static Reply From(IEnumerable<ReplyEvent> events)
    {
        var reasoning = new StringBuilder();
        var content = new StringBuilder();
        var calls = new List<ToolCall>();
        string? problem = null;
        foreach (ReplyEvent e in events)
        {
            switch (e)
            {
                case ReplyEvent.Thinking thinking:
                    reasoning.Append(thinking.Value);
                    break;
                case ReplyEvent.Text text:
                    content.Append(text.Value);
                    break;
                case ReplyEvent.Markup markup:
                    (markup.InReasoning ? reasoning : content).Append(markup.Value);
                    break;
                case ReplyEvent.ToolCalled called:
                    calls.Add(called.Call);
                    break;
                case ReplyEvent.Malformed malformed:
                    problem ??= malformed.Reason;
                    break;
            }
        }
        return new Reply(reasoning.ToString(), content.ToString(), calls, problem);
    }
}
