using System.Net;
using System.Net.Security;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Fathom.Server;

/// <summary>How far a client may go before it is a burden to others: limits of connections, and TLS where there is a certificate. Stateless.</summary>
internal static class ServerLimits
{
    private const int ConnectionsMax = 1024;
    private const int HeaderBytesMax = 64 << 10;
    private const int HeadersMax = 100;
    private const int RequestLineBytesMax = 8 << 10;

    // A connection gives up so many bytes of an answer to its client before the writer waits for it.
    private const long ResponseBufferBytes = 64 << 10;

    // Bytes a second, after a grace. Slower ones hold a connection for nothing: a client that stands still is cut off.
    private const double BodyRateMin = 240;
    private const double ResponseRateMin = 1024;

    private static readonly TimeSpan s_rateGrace = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_idleTime = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_handshakeTime = TimeSpan.FromSeconds(10);

    /// <summary>Sets limits and addresses.</summary>
    public static void Apply(KestrelServerOptions kestrel, ServerOptions options)
    {
        kestrel.AddServerHeader = false;
        KestrelServerLimits limits = kestrel.Limits;
        limits.MaxRequestBodySize = options.BodyBytesMax;
        limits.MaxRequestLineSize = RequestLineBytesMax;
        limits.MaxRequestHeadersTotalSize = HeaderBytesMax;
        limits.MaxRequestHeaderCount = HeadersMax;
        limits.RequestHeadersTimeout = options.HeaderTime;
        limits.KeepAliveTimeout = s_idleTime;
        limits.MinRequestBodyDataRate = new MinDataRate(BodyRateMin, s_rateGrace);
        limits.MinResponseDataRate = new MinDataRate(ResponseRateMin, s_rateGrace);
        limits.MaxResponseBufferSize = ResponseBufferBytes;
        limits.MaxConcurrentConnections = ConnectionsMax;
        foreach (IPEndPoint address in options.Listen)
        {
            kestrel.Listen(address, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                if (options.Certificate is { } certificate)
                {
                    listen.UseHttps(Tls(certificate, options.Report));
                }
            });
        }
    }

    private static TlsHandshakeCallbackOptions Tls(ServerCertificate certificate, Action<string>? report) => new()
    {
        HandshakeTimeout = s_handshakeTime,
        OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions { ServerCertificateContext = certificate.Current(report) }),
    };
}
