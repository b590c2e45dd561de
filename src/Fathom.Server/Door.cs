using System.Net;
using Microsoft.AspNetCore.Http;

namespace Fathom.Server;

/// <summary>Who may ask. Stateless.</summary>
internal static class Door
{
    private const string Bearer = "Bearer ";

    /// <summary>Finds out who sends a request.</summary>
    /// <exception cref="RequestErrorException">the key is missing or wrong, or there are no keys and the request is meant for another host</exception>
    public static Caller Admit(HttpRequest request, ApiKeys keys)
    {
        if (keys.Count == 0)
        {
            // A page in a browser may reach this machine under a name of its own: such requests carry that name.
            return IsThisMachine(request.Host.Host) ? new Caller(Key: null) : throw new RequestErrorException(
                ErrorReason.Forbidden, $"Host: without API keys, expected localhost, 127.0.0.1 or [::1], found {request.Host.Host}. Start the server "
                    + $"with keys to serve other names.");
        }
        string authorization = request.Headers.Authorization.ToString();
        string key = authorization.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase) ? authorization[Bearer.Length..].Trim() : request.Headers["x-api-key"].ToString();
        if (key.Length == 0)
        {
            throw new RequestErrorException(ErrorReason.Unauthorized, "Expected an API key in the header Authorization: Bearer or x-api-key, found none.");
        }
        return keys.Find(key) is { } name ? new Caller(name) : throw new RequestErrorException(ErrorReason.Unauthorized, "The API key is unknown. Ask "
            + "whoever runs this server for one.");
    }

    private static bool IsThisMachine(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || host.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? address) && IPAddress.IsLoopback(address));
}
