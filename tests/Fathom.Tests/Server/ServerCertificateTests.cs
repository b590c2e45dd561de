using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Fathom.Server;
using Xunit;

namespace Fathom.Tests.Server;

public sealed class ServerCertificateTests : IDisposable
{
    private readonly TempFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_server_with_a_certificate_speaks_TLS_alone()
    {
        using X509Certificate2 made = TestCertificates.Make();
        ServerCertificate certificate = ServerCertificate.Load(TestCertificates.CertificateIn(_folder, "c.pem", made), TestCertificates.KeyIn(_folder, "k.pem", made), null);
        await using ServerHost host = await StartAsync(certificate, null);
        Assert.StartsWith("https://", host.Addresses.Single(), StringComparison.Ordinal);
        Assert.Equal((HttpStatusCode.OK, made.Thumbprint), await AskAsync(host));
        using var plain = new HttpClient();
        await Assert.ThrowsAsync<HttpRequestException>(() => plain.GetAsync(host.Addresses.Single().Replace("https", "http", StringComparison.Ordinal) + "/health/live", Cancellation));
    }

    [Fact]
    public async Task A_renewed_certificate_is_taken_up_and_a_broken_one_is_not()
    {
        using X509Certificate2 first = TestCertificates.Make(), second = TestCertificates.Make();
        string file = TestCertificates.CertificateIn(_folder, "c.pem", first), key = TestCertificates.KeyIn(_folder, "k.pem", first);
        var reports = new ConcurrentQueue<string>();
        ServerCertificate certificate = ServerCertificate.Load(file, key, null, lookAgain: TimeSpan.Zero);
        await using ServerHost host = await StartAsync(certificate, reports.Enqueue);
        TestCertificates.CertificateIn(_folder, "c.pem", second);
        Assert.Equal(first.Thumbprint, (await AskAsync(host)).Thumbprint);
        Assert.Equal(first.Thumbprint, (await AskAsync(host)).Thumbprint);
        Assert.Contains("expected the private key of the certificate", Assert.Single(reports), StringComparison.Ordinal);
        TestCertificates.KeyIn(_folder, "k.pem", second);
        Assert.Equal(second.Thumbprint, (await AskAsync(host)).Thumbprint);
    }

    [Fact]
    public void One_file_may_hold_all_of_it()
    {
        using X509Certificate2 made = TestCertificates.Make(), issuer = TestCertificates.Make();
        string both = made.ExportCertificatePem() + "\n" + issuer.ExportCertificatePem() + "\n" + TestCertificates.KeyOf(made);
        Assert.Equal(made.Thumbprint, Thumbprint(ServerCertificate.Load(_folder.Write("both.pem", Encoding.ASCII.GetBytes(both)), null, null)));
        Assert.Equal(made.Thumbprint, Thumbprint(ServerCertificate.Load(_folder.Write("c.pfx", made.Export(X509ContentType.Pfx, "secret")), null, "secret")));
        string key = _folder.Write("k.pem", Encoding.ASCII.GetBytes(TestCertificates.EncryptedKeyOf(made, "secret")));
        Assert.Equal(made.Thumbprint, Thumbprint(ServerCertificate.Load(TestCertificates.CertificateIn(_folder, "c.pem", made), key, "secret")));
    }

    [Fact]
    public void What_is_wrong_with_a_certificate_is_said()
    {
        using X509Certificate2 made = TestCertificates.Make(), other = TestCertificates.Make(), over = TestCertificates.Make(-9, -2), early = TestCertificates.Make(2, 9);
        using RSA rsa = RSA.Create(2048);
        string file = TestCertificates.CertificateIn(_folder, "c.pem", made), key = TestCertificates.KeyIn(_folder, "k.pem", made), none = _folder.Path("none.pem");
        AssertRefused("none.pem: expected a certificate, found no file", none, key);
        AssertRefused("none.pem: expected a private key, found no file", file, none);
        AssertRefused("k.pem: expected BEGIN CERTIFICATE, found none", key, key);
        AssertRefused("c.pem: expected a private key in PEM, found none", file, null);
        AssertRefused("other.pem: expected the private key of the certificate in", file, TestCertificates.KeyIn(_folder, "other.pem", other));
        AssertRefused("rsa.pem: expected the private key of the certificate in", file, _folder.Write("rsa.pem", Encoding.ASCII.GetBytes(rsa.ExportPkcs8PrivateKeyPem())));
        AssertRefused("over.pem: expected a certificate that is valid now, found one for CN=localhost that ended on", TestCertificates.CertificateIn(_folder, "over.pem", over), TestCertificates.KeyIn(_folder, "ok.pem", over));
        AssertRefused("that begins on", TestCertificates.CertificateIn(_folder, "early.pem", early), TestCertificates.KeyIn(_folder, "ek.pem", early));
        AssertRefused("PKCS#12 and its password", _folder.Write("c.pfx", made.Export(X509ContentType.Pfx, "secret")), null, "wrong");
        AssertRefused("PKCS#12 and its password", _folder.Write("noise.pfx", [1, 2, 3]), null);
        string locked = _folder.Write("locked.pem", Encoding.ASCII.GetBytes(TestCertificates.EncryptedKeyOf(made, "secret")));
        AssertRefused("locked.pem: expected a password for the private key, found none", file, locked);
        AssertRefused("and its password, found another", file, locked, "wrong");
    }

    private static void AssertRefused(string says, string file, string? key, string? password = null)
    {
        string message = Assert.Throws<InvalidDataException>(() => ServerCertificate.Load(file, key, password)).Message;
        Assert.Contains(says, message, StringComparison.Ordinal);
        Assert.DoesNotContain("wrong", message.Replace("incorrect", "", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    private static string Thumbprint(ServerCertificate certificate) => certificate.Current(null).TargetCertificate.Thumbprint;

    private static async Task<ServerHost> StartAsync(ServerCertificate certificate, Action<string>? report)
    {
        var host = new ServerHost(new ServerOptions { Listen = [new IPEndPoint(IPAddress.Loopback, 0)], Certificate = certificate, Report = report });
        await host.StartAsync(Cancellation);
        return host;
    }

    // On a connection of its own.
    private static async Task<(HttpStatusCode Status, string? Thumbprint)> AskAsync(ServerHost host)
    {
        string? thumbprint = null;
        using var handler = new HttpClientHandler
        {
            ServerCertificateCustomValidationCallback = (_, certificate, _, _) =>
            {
                thumbprint = certificate?.Thumbprint;
                return true;
            },
        };
        using var client = new HttpClient(handler);
        HttpResponseMessage response = await client.GetAsync(host.Addresses.Single() + "/health/live", Cancellation);
        return (response.StatusCode, thumbprint);
    }
}
