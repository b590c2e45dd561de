// dotnet run -c Release --project samples/Tool models/fathom-nano: the model calls a function of this process, reads its result and answers.
using Fathom.Extensions.AI;
using Microsoft.Extensions.AI;

AIFunction weather = AIFunctionFactory.Create((string city) => $"Rain in {city}, 12 degrees.", "weather", "Tells the weather in a city.");
using FathomModel model = FathomModel.Load(new FathomOptions { ModelFolder = args[0] });
using var client = new FunctionInvokingChatClient(new FathomChatClient(model.Engine));
var options = new ChatOptions
{
    Tools = [weather],
    ToolMode = ChatToolMode.RequireSpecific("weather"),         // a small model calls no function by itself; left out, the model decides
    MaxOutputTokens = 250,
    Seed = 1,
    Reasoning = new ReasoningOptions { Effort = ReasoningEffort.None },
};
ChatResponse response = await client.GetResponseAsync("How is the weather in Paris?", options);
foreach (AIContent content in response.Messages.SelectMany(message => message.Contents))
{
    Console.WriteLine(content switch
    {
        FunctionCallContent call => $"The model calls {call.Name}.",
        FunctionResultContent result => $"The function says: {result.Result}",
        _ => $"The model says: {content}",
    });
}
