using System.Net;
using Microsoft.AspNetCore.Http;

namespace Fathom.Server;

/// <summary>Who may ask. Stateless.</summary>
internal static class Door
{
    private const string Bearer = "Bearer ";

    /// <summary>Finds out who sends a request.</summary>
    /// <exception cref="RequestErrorException">the key is missing or wrong, too many wrong ones came from there, or there are no keys and the request is meant for another host</exception>
    public static Caller Admit(HttpRequest request, ApiKeys keys, WrongKeys wrong)
    {
        if (keys.Count == 0)
        {
            // A page in a browser may reach this machine under a name of its own: such requests carry that name.
            Require("Host", request.Host.Host);
            // Or it sends requests whose answers it cannot read: those say where the page is from.
            if (request.Headers.Origin is [{ } origin, ..])
            {
                Require("Origin", Uri.TryCreate(origin, UriKind.Absolute, out Uri? page) ? page.Host : origin);
            }
            return new Caller(Key: null);
        }
        string authorization = request.Headers.Authorization.ToString();
        string key = authorization.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase) ? authorization[Bearer.Length..].Trim() : request.Headers["x-api-key"].ToString();
        if (key.Length == 0)
        {
            throw new RequestErrorException(ErrorReason.Unauthorized, "Expected an API key in the header Authorization: Bearer or x-api-key, found none.");
        }
        string? name = keys.Find(key);
        if (!wrong.Allows(request.HttpContext.Connection.RemoteIpAddress, name))
        {
            throw new RequestErrorException(ErrorReason.WrongKeys, "Too many requests with unknown API keys came from this address. Try again in a minute, "
                + "with a key from whoever runs this server.");
        }
        return name is not null ? new Caller(name) : throw new RequestErrorException(ErrorReason.Unauthorized, "The API key is unknown. Ask "
            + "whoever runs this server for one.");
    }

    private static void Require(string header, string host)
    {
        if (!IsThisMachine(host))
        {
            throw new RequestErrorException(
                ErrorReason.Forbidden, $"{header}: without API keys, expected localhost, 127.0.0.1 or [::1], found {host}. Start the server with keys to "
                    + $"serve other names.");
        }
    }

    private static bool IsThisMachine(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || host.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? address) && IPAddress.IsLoopback(address));
}
