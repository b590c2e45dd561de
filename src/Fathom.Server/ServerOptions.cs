using System.Net;
using Microsoft.Extensions.Logging;

namespace Fathom.Server;

/// <summary>How a server listens, and what it accepts.</summary>
public sealed record ServerOptions
{
    /// <summary>Addresses to listen on; port 0 takes a free one. Loopback needs no keys, any other address does.</summary>
    public IReadOnlyList<IPEndPoint> Listen { get; init; } = [new(IPAddress.Loopback, 8080)];

    /// <summary>Who may ask; without any, everybody on this machine.</summary>
    public ApiKeys Keys { get; init; } = ApiKeys.None;

    /// <summary>For TLS on every address; null for plain HTTP.</summary>
    public ServerCertificate? Certificate { get; init; }

    /// <summary>Bytes of a request's body.</summary>
    public long BodyBytesMax { get; init; } = 32L << 20;

    /// <summary>Bytes of the bodies of all requests that are being read or answered; one more is put off.</summary>
    public long BodiesBytesMax { get; init; } = 512L << 20;

    /// <summary>Time that a request's line and headers may take to arrive.</summary>
    public TimeSpan HeaderTime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Time that a body may take to arrive.</summary>
    public TimeSpan BodyTime { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Levels of nesting in a request's JSON.</summary>
    public int JsonDepthMax { get; init; } = 128;

    /// <summary>Silence after which a sign of life is sent.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Told in a sentence what went wrong and was survived, never with a client's text. Null for nobody.</summary>
    public Action<string>? Report { get; init; }

    /// <summary>Gets a line for every request, without a client's text. Null for none.</summary>
    public ILoggerFactory? Logging { get; init; }
}
