using System.Text.Json;
using Fathom.Engine;
using Fathom.Prompts;
using Fathom.Serving;
using Microsoft.AspNetCore.Http;

namespace Fathom.Server.OpenAi;

/// <summary><c>POST /forecast</c>: what a chat request would take, told before it is made. The body is that request's.</summary>
internal static class ForecastEndpoint
{
    /// <summary>Tokens to read, those of them in a cache of the caller's own, and about how long.</summary>
    public static async Task AnswerAsync(Exchange exchange)
    {
        ChatRequest request;
        using (JsonDocument body = await JsonBody.ReadAsync(exchange).ConfigureAwait(false))
        {
            request = ChatWire.Read(body.RootElement, exchange.Caller, exchange.Engine.Revision, isBeta: true);
        }
        exchange.TellIgnored(request.Ignored);
        Forecast forecast = await ForecastAsync(exchange, request.Request).ConfigureAwait(false);
        await JsonReply.WriteAsync(exchange.Http.Response, StatusCodes.Status200OK, json => Write(json, exchange, forecast), exchange.Cancellation).ConfigureAwait(false);
    }

    private static async Task<Forecast> ForecastAsync(Exchange exchange, GenerationRequest request)
    {
        try
        {
            return await exchange.Engine.ForecastAsync(request, exchange.Cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is RequestException or PromptException or ArgumentException)
        {
            throw new RequestErrorException(ErrorReason.Invalid, e.Message);
        }
        catch (OperationCanceledException) when (!exchange.Cancellation.IsCancellationRequested)
        {
            throw new RequestErrorException(ErrorReason.Busy, "The server stops. Ask again when it is back.");
        }
    }

    private static void Write(Utf8JsonWriter json, Exchange exchange, Forecast forecast)
    {
        json.WriteString("object", "forecast");
        json.WriteString("model", exchange.Engine.ModelName);
        json.WriteNumber("prompt_tokens", forecast.PromptTokens);
        json.WriteNumber("cached_tokens", forecast.CachedTokens);
        json.WriteNumber("uncached_tokens", forecast.PromptTokens - forecast.CachedTokens);
        json.WriteNumber("context_length", exchange.Engine.Context);
        json.WriteBoolean("fits", forecast.Refusal is null);
        json.WriteString("refusal", forecast.Refusal);
        if (forecast.TimeToFirstToken is { } time)
        {
            json.WriteNumber("seconds_to_first_token", Math.Round(time.TotalSeconds, 3));
        }
        else
        {
            json.WriteNull("seconds_to_first_token");
        }
    }
}
