// dotnet run -c Release --project samples/Chat models/fathom-nano: a conversation with a model in this process, a question a line; replies stream.
using Fathom.Extensions.AI;
using Microsoft.Extensions.AI;

using FathomModel model = FathomModel.Load(new FathomOptions { ModelFolder = args[0] });
using var client = new FathomChatClient(model.Engine);
var options = new ChatOptions { MaxOutputTokens = 100, Seed = 1, Reasoning = new ReasoningOptions { Effort = ReasoningEffort.None } };
var conversation = new List<ChatMessage>();
while (Console.ReadLine() is { } question)
{
    conversation.Add(new ChatMessage(ChatRole.User, question));
    var updates = new List<ChatResponseUpdate>();
    await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(conversation, options))
    {
        Console.Write(update.Text);
        updates.Add(update);
    }
    Console.WriteLine();
    conversation.AddMessages(updates);
}
