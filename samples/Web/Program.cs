// dotnet run -c Release --project samples/Web -- --Model models/fathom-nano --Key SECRET: a web application with a model inside. It asks the model itself,
// and clients of OpenAI and Anthropic find the model below /llm, behind the application's own door.
using Fathom.Extensions.AI;
using Fathom.Server;
using Microsoft.Extensions.AI;

WebApplicationBuilder builder = WebApplication.CreateBuilder(args);
string model = builder.Configuration["Model"] ?? throw new InvalidOperationException("Give a model's folder: --Model DIR.");
string key = builder.Configuration["Key"] ?? throw new InvalidOperationException("Give a key: --Key TEXT.");
builder.Services.AddFathomChatClient(new FathomOptions { ModelFolder = model });
WebApplication app = builder.Build();
app.Use((http, next) => http.Request.Headers.Authorization == $"Bearer {key}" ? next(http) : Results.Unauthorized().ExecuteAsync(http));
var options = new ChatOptions { MaxOutputTokens = 100, Seed = 1, Reasoning = new ReasoningOptions { Effort = ReasoningEffort.None } };
app.MapGet("/ask", async (string question, IChatClient client, CancellationToken cancellation) =>
    (await client.GetResponseAsync(question, options, cancellation)).Text);
app.MapGroup("/llm").MapFathom();
app.Run();
