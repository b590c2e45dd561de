using System.Text.Json;
using Fathom.Server.Anthropic;
using Fathom.Server.OpenAi;
using Fathom.Server.Responses;
using Fathom.Serving;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
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
        ILogger? log = endpoints.ServiceProvider.GetService<ILoggerFactory>()?.CreateLogger(typeof(FathomRoutes));
        Func<HttpContext, string?> name = caller ?? (http => http.User.Identity?.Name);
        var options = new ServerOptions();
        RouteGroupBuilder group = endpoints.MapGroup("");
        Map(group, http => new Exchange(http, engine, new Caller(name(http)), options), log is null ? null : problem => LogDefect(log, problem));
        return group;
    }

    /// <summary>Maps every route of every dialect.</summary>
    /// <param name="endpoints">where to</param> <param name="admit">lets a request in, or throws <see cref="RequestErrorException"/></param>
    /// <param name="report">told of defects in a sentence; null for nobody</param>
    internal static void Map(IEndpointRouteBuilder endpoints, Func<HttpContext, Exchange> admit, Action<string>? report)
    {
        foreach (string prefix in new[] { "", "/v1" })
        {
            Route("GET", $"{prefix}/models", ModelsEndpoint.AnswerAsync, OpenAiErrors.Write);
            Route("GET", $"{prefix}/models/{{name}}", ModelsEndpoint.AnswerOneAsync, OpenAiErrors.Write);
            Route("POST", $"{prefix}/chat/completions", ChatEndpoint.AnswerAsync, OpenAiErrors.Write);
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
            endpoints.MapMethods(path, [method], http => Refusal.GuardAsync(http, () => answer(admit(http)), writeError, report));
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{Problem}")]
    private static partial void LogDefect(ILogger log, string problem);
}
