using System.Text.Json;

namespace Fathom.Server.Anthropic;

/// <summary>The person behind <c>metadata.user_id</c>. Claude Code names its session there too, and sessions of one person share caches. Stateless.</summary>
internal static class EndUser
{
    private const string SessionMark = "_session_";
    private const string SessionField = "session_id";

    /// <summary>The id without the session in it.</summary>
    public static string? Of(string? id)
    {
        if (id is null || id.Length == 0 || id[0] != '{')
        {
            int mark = id?.LastIndexOf(SessionMark, StringComparison.Ordinal) ?? -1;
            return mark < 0 ? id : id![..mark];                                           // a mark was found in it
        }
        try
        {
            using JsonDocument document = JsonDocument.Parse(id);
            IEnumerable<JsonProperty> others = document.RootElement.EnumerateObject().Where(field => field.Name != SessionField);
            return string.Join(',', others.Select(field => $"{field.Name}={field.Value.GetRawText()}"));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return id;                                                                    // an id that merely begins like JSON
        }
    }
}
