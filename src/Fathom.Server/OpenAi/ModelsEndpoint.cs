using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Fathom.Server.OpenAi;

/// <summary><c>GET /models</c>, in every shape that clients look for.</summary>
internal static class ModelsEndpoint
{
    // OpenAI's name of the list, and the one that some builds of Codex read.
    private static readonly string[] s_lists = ["data", "models"];

    // What clients call a model's name.
    private static readonly string[] s_names = ["id", "name", "model", "slug", "display_name"];

    private static readonly long s_created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    /// <summary>All models: the one that is served.</summary>
    public static Task AnswerAsync(Exchange exchange) => JsonReply.WriteAsync(
        exchange.Http.Response, StatusCodes.Status200OK, json =>
        {
            json.WriteString("object", "list");
            foreach (string list in s_lists)
            {
                json.WriteStartArray(list);
                json.WriteStartObject();
                Write(json, exchange);
                json.WriteEndObject();
                json.WriteEndArray();
            }
        },
        exchange.Cancellation);

    /// <summary>One model by its name.</summary>
    public static Task AnswerOneAsync(Exchange exchange)
    {
        string name = exchange.Http.Request.RouteValues["name"] as string ?? "";
        return name == exchange.Engine.ModelName
            ? JsonReply.WriteAsync(exchange.Http.Response, StatusCodes.Status200OK, json => Write(json, exchange), exchange.Cancellation)
            : throw new RequestErrorException(ErrorReason.NotFound, $"There is no model of this name; the one that is served is "
                + $"{exchange.Engine.ModelName}.", "model");
    }

    private static void Write(Utf8JsonWriter json, Exchange exchange)
    {
        foreach (string name in s_names)
        {
            json.WriteString(name, exchange.Engine.ModelName);
        }
        json.WriteString("object", "model");
        json.WriteString("type", "model");
        json.WriteNumber("created", s_created);
        json.WriteString("owned_by", "fathom");
        json.WriteString("state", "ready");
        json.WriteNumber("context_length", exchange.Engine.Context);
        json.WriteNumber("max_model_len", exchange.Engine.Context);
        json.WriteNumber("context_window", exchange.Engine.Context);
        json.WriteStartArray("reasoning_efforts");
        foreach (string effort in Efforts.Of(exchange.Engine.Revision))
        {
            json.WriteStringValue(effort);
        }
        json.WriteEndArray();
        json.WriteString("fingerprint", exchange.Engine.Fingerprint);
    }
}
