using System.Net;

namespace Fathom.Server;

/// <summary>How a server listens, and what it accepts.</summary>
public sealed record ServerOptions
{
    /// <summary>Addresses to listen on; port 0 takes a free one. Loopback needs no keys, any other address does.</summary>
    public IReadOnlyList<IPEndPoint> Listen { get; init; } = [new(IPAddress.Loopback, 8080)];

    /// <summary>Who may ask; without any, everybody on this machine.</summary>
    public ApiKeys Keys { get; init; } = ApiKeys.None;

    /// <summary>Bytes of a request's body.</summary>
    public long BodyBytesMax { get; init; } = 32L << 20;

    /// <summary>Levels of nesting in a request's JSON.</summary>
    public int JsonDepthMax { get; init; } = 128;

    /// <summary>Silence after which a sign of life is sent.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Told in a sentence what went wrong and was survived. Null for nobody.</summary>
    public Action<string>? Report { get; init; }
}
