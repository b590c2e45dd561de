namespace Fathom.Prompts;

/// <summary>The names DeepSeek gives to roles, tasks, modes and efforts. Each method throws <see cref="PromptException"/> for an unknown name.</summary>
public static class PromptNames
{
    /// <summary>A role: system, user, developer, assistant, tool, latest_reminder.</summary>
    public static MessageRole ParseRole(string name) => name switch
    {
        "system" => MessageRole.System,
        "user" => MessageRole.User,
        "developer" => MessageRole.Developer,
        "assistant" => MessageRole.Assistant,
        "tool" => MessageRole.Tool,
        "latest_reminder" => MessageRole.LatestReminder,
        _ => throw Unknown("role", "system, user, developer, assistant, tool or latest_reminder", name),
    };

    /// <summary>A quick instruction: action, query, authority, domain, title, read_url.</summary>
    public static QuickTask ParseTask(string name) => name switch
    {
        "action" => QuickTask.Action,
        "query" => QuickTask.Query,
        "authority" => QuickTask.Authority,
        "domain" => QuickTask.Domain,
        "title" => QuickTask.Title,
        "read_url" => QuickTask.ReadUrl,
        _ => throw Unknown("task", "action, query, authority, domain, title or read_url", name),
    };

    /// <summary>A mode: thinking, chat.</summary>
    public static ThinkingMode ParseThinking(string name) => name switch
    {
        "chat" => ThinkingMode.Chat,
        "thinking" => ThinkingMode.Thinking,
        _ => throw Unknown("thinking mode", "chat or thinking", name),
    };

    /// <summary>An effort: low, high, max; null is <see cref="ReasoningEffort.Unspecified"/>.</summary>
    public static ReasoningEffort ParseEffort(string? name) => name switch
    {
        null => ReasoningEffort.Unspecified,
        "low" => ReasoningEffort.Low,
        "high" => ReasoningEffort.High,
        "max" => ReasoningEffort.Max,
        _ => throw Unknown("reasoning effort", "low, high or max", name),
    };

    private static PromptException Unknown(string what, string expected, string found) =>
        new($"{what}: expected {expected}, found \"{found}\"; names are lower case.");
}
