using System.Net;
using System.Security.Claims;
using System.Text;
using System.Text.Json;
using Fathom.Server;
using Fathom.Tests.Serving;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Fathom.Tests.Server;

/// <summary>The dialects in a host of somebody else, with doors and paths of its own.</summary>
public sealed class FathomRoutesTests : IDisposable
{
    private const string Ask = """{"messages": [{"role": "user", "content": "Go."}], "max_tokens": 4}""";

    private readonly ServingBench _bench = new(options => options with { Script = [.. Enumerable.Repeat("</think>So.", 12)] });

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _bench.Dispose();

    [Fact]
    public async Task Every_dialect_answers_under_the_host_s_own_prefix_and_nowhere_else()
    {
        await using WebApplication app = await StartAsync(app => app.MapGroup("/llm").MapFathom());
        using HttpClient client = Client(app);
        Assert.Equal("So.", (await PostAsync(client, "/llm/v1/chat/completions", Ask)).GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
        Assert.Equal("message", (await PostAsync(client, "/llm/anthropic/v1/messages", Ask)).GetProperty("type").GetString());
        Assert.Equal("response", (await PostAsync(client, "/llm/responses", """{"input": "Go.", "max_output_tokens": 4}""")).GetProperty("object").GetString());
        Assert.Equal("text_completion", (await PostAsync(client, "/llm/beta/completions", """{"prompt": "Go", "max_tokens": 1}""")).GetProperty("object").GetString());
        using HttpResponseMessage elsewhere = await client.PostAsync("/v1/chat/completions", Json(Ask), Cancellation);
        Assert.Equal(HttpStatusCode.NotFound, elsewhere.StatusCode);
        JsonElement error = await PostAsync(client, "/llm/v1/messages", "{}");
        Assert.Equal("error", error.GetProperty("type").GetString());
    }

    [Fact]
    public async Task Conventions_of_the_host_hold_for_every_route()
    {
        await using WebApplication app = await StartAsync(app => app.MapFathom().RequireName());
        using HttpClient client = Client(app);
        using HttpResponseMessage without = await client.PostAsync("/v1/chat/completions", Json(Ask), Cancellation);
        Assert.Equal(HttpStatusCode.Unauthorized, without.StatusCode);
        client.DefaultRequestHeaders.Add("user", "ann");
        using HttpResponseMessage with = await client.PostAsync("/v1/chat/completions", Json(Ask), Cancellation);
        Assert.Equal(HttpStatusCode.OK, with.StatusCode);
    }

    [Fact]
    public async Task Caches_of_the_host_s_users_are_kept_apart()
    {
        await using WebApplication app = await StartAsync(app => app.MapFathom());
        Assert.Equal(0, await Cached("ann"));
        Assert.NotEqual(0, await Cached("ann"));
        Assert.Equal(0, await Cached("ben"));

        async Task<int> Cached(string user)
        {
            using HttpClient client = Client(app);
            client.DefaultRequestHeaders.Add("user", user);
            string body = $$"""{"messages": [{"role": "user", "content": "{{ServingBench.Prose(200, 1)}}"}], "max_tokens": 4}""";
            return (await PostAsync(client, "/v1/chat/completions", body)).GetProperty("usage").GetProperty("prompt_cache_hit_tokens").GetInt32();
        }
    }

    [Fact]
    public async Task Bodies_beyond_the_host_s_limit_are_refused_with_its_number()
    {
        await using WebApplication app = await StartAsync(app => app.MapFathom());
        using HttpClient client = Client(app);
        JsonElement error = await PostAsync(client, "/v1/chat/completions", $$"""{"messages": "{{new string('a', 70_000)}}"}""");
        Assert.Contains("expected at most 65,536 bytes", error.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_host_without_an_engine_is_told_what_it_lacks()
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        builder.Services.AddRoutingCore();
        InvalidOperationException error = Assert.Throws<InvalidOperationException>(() => builder.Build().MapFathom());
        Assert.Contains("expected a ServingEngine", error.Message, StringComparison.Ordinal);
    }

    private async Task<WebApplication> StartAsync(Action<WebApplication> map)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0);
            kestrel.Limits.MaxRequestBodySize = 65_536;
        });
        builder.Services.AddRoutingCore().AddSingleton(_ => _bench.Engine);
        WebApplication app = builder.Build();
        // A header stands for whatever a host believes in.
        app.Use((http, next) =>
        {
            if (http.Request.Headers["user"].ToString() is { Length: > 0 } user)
            {
                http.User = new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, user)], "header"));
            }
            return next(http);
        });
        map(app);
        await app.StartAsync(Cancellation);
        return app;
    }

    private static HttpClient Client(WebApplication app) => new() { BaseAddress = new Uri(app.Urls.Single()), Timeout = TimeSpan.FromMinutes(2) };

    private static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");

    private static async Task<JsonElement> PostAsync(HttpClient client, string path, string body)
    {
        using HttpResponseMessage response = await client.PostAsync(path, Json(body), Cancellation);
        return JsonDocument.Parse(await response.Content.ReadAsStringAsync(Cancellation)).RootElement;
    }
}

/// <summary>A host's door: who has no name is turned away.</summary>
internal static class NamedOnly
{
    public static void RequireName(this IEndpointConventionBuilder routes) => routes.Add(endpoint =>
    {
        RequestDelegate? inner = endpoint.RequestDelegate;
        endpoint.RequestDelegate = http =>
        {
            if (http.User.Identity?.IsAuthenticated == true)
            {
                return inner!(http);                                                      // every route of ours has one
            }
            http.Response.StatusCode = StatusCodes.Status401Unauthorized;
            return Task.CompletedTask;
        };
    });
}
