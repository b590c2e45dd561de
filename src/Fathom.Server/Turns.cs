using Fathom.Prompts;

namespace Fathom.Server;

/// <summary>Puts messages behind one another. Stateless.</summary>
internal static class Turns
{
    /// <summary>Adds system text where it stands; to system text right in front of it, with an empty line between, so that tools follow all of it.</summary>
    public static void AddSystem(List<Message> messages, MessageContent content)
    {
        if (messages is [.., Message.System last])
        {
            messages[^1] = last with { Content = new MessageContent([.. last.Content.Parts, .. content.Parts]) };
        }
        else
        {
            messages.Add(new Message.System(content));
        }
    }
}
