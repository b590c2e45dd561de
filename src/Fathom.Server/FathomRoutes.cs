using System.Text.Json;
using Fathom.Server.Anthropic;
using Fathom.Server.OpenAi;
using Fathom.Server.Responses;
using Fathom.Server.Telemetry;
using Fathom.Serving;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Fathom.Server;

/// <summary>The routes of every dialect, for any host.</summary>
public static partial class FathomRoutes
{
    /// <summary>
    /// Mounts the dialects of clients (OpenAI's Chat Completions, completions, models and Responses, Anthropic's Messages) in a host of ASP.NET Core, with and
    /// without /v1, /beta and /anthropic in front, as <c>fathom serve</c> has them. Who may ask is the host's affair: put its authorization on what is
    /// returned. The engine is the host's service of the type <see cref="ServingEngine"/>, which is made here if it is not there yet.
    /// </summary>
    /// <param name="endpoints">of the host, or of a group with a prefix</param>
    /// <param name="caller">
    /// the name of who asks, whose caches are kept apart from those of others and who gets a share of the engine's time of their own; null for the name of the
    /// request's user
    /// </param>
    /// <returns>all routes, to put conventions on</returns>
    /// <exception cref="InvalidOperationException">the host has no engine among its services</exception>
    public static IEndpointConventionBuilder MapFathom(this IEndpointRouteBuilder endpoints, Func<HttpContext, string?>? caller = null)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        ServingEngine engine = endpoints.ServiceProvider.GetService<ServingEngine>() ?? throw new InvalidOperationException(
            "MapFathom: expected a ServingEngine among the host's services, found none. Register one, with AddFathomChatClient of Fathom.Extensions.AI or by "
                + "hand.");
        ILoggerFactory? logging = endpoints.ServiceProvider.GetService<ILoggerFactory>();
        ILogger? log = logging?.CreateLogger(typeof(FathomRoutes));
        Func<HttpContext, string?> name = caller ?? (http => http.User.Identity?.Name);
        var options = new ServerOptions { Logging = logging };
        var server = new ServerWatch(options, () => engine);
        endpoints.ServiceProvider.GetService<IHostApplicationLifetime>()?.ApplicationStopped.Register(server.Dispose);
        RouteGroupBuilder group = endpoints.MapGroup("");
        Map(group, server, Admit, log is null ? null : problem => LogDefect(log, problem));
        return group;

        Exchange Admit(HttpContext http, RequestWatch watch)
        {
            var from = new Caller(name(http));
            watch.Admit(from);
            return new Exchange(http, engine, from, options) { Bodies = server.Bodies, Watch = watch };
        }
    }

    /// <summary>Maps every route of every dialect.</summary>
    /// <param name="endpoints">where to</param> <param name="server">observes all requests</param> <param name="admit">lets a request in, or throws <see cref="RequestErrorException"/></param>
    /// <param name="report">told of defects in a sentence; null for nobody</param>
    internal static void Map(IEndpointRouteBuilder endpoints, ServerWatch server, Func<HttpContext, RequestWatch, Exchange> admit, Action<string>? report)
    {
        foreach (string prefix in new[] { "", "/v1" })
        {
            Route("GET", $"{prefix}/models", ModelsEndpoint.AnswerAsync, OpenAiErrors.Write);
            Route("GET", $"{prefix}/models/{{name}}", ModelsEndpoint.AnswerOneAsync, OpenAiErrors.Write);
            Route("POST", $"{prefix}/chat/completions", ChatEndpoint.AnswerAsync, OpenAiErrors.Write);
            Route("POST", $"{prefix}/forecast", ForecastEndpoint.AnswerAsync, OpenAiErrors.Write);
            Route("POST", $"{prefix}/completions", CompletionEndpoint.AnswerAsync, OpenAiErrors.Write);
            Route("GET", $"/beta{prefix}/models", ModelsEndpoint.AnswerAsync, OpenAiErrors.Write);
            Route("POST", $"/beta{prefix}/chat/completions", ChatEndpoint.AnswerBetaAsync, OpenAiErrors.Write);
            Route("POST", $"/beta{prefix}/completions", CompletionEndpoint.AnswerAsync, OpenAiErrors.Write);
            Route("POST", $"{prefix}/responses", ResponsesEndpoint.AnswerAsync, OpenAiErrors.Write);
        }
        foreach (string prefix in new[] { "", "/anthropic" })
        {
            Route("POST", $"{prefix}/v1/messages", MessagesEndpoint.AnswerAsync, AnthropicErrors.Write);
            Route("POST", $"{prefix}/v1/messages/count_tokens", MessagesEndpoint.CountAsync, AnthropicErrors.Write);
        }

        void Route(string method, string path, Func<Exchange, Task> answer, Action<Utf8JsonWriter, RequestError> writeError) =>
            endpoints.MapMethods(path, [method], http => Refusal.GuardAsync(http, server, watch => answer(admit(http, watch)), writeError, report));
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{Problem}")]
    private static partial void LogDefect(ILogger log, string problem);
}
