using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Fathom.Tests.Server;

/// <summary>Certificates for localhost, signed by themselves.</summary>
internal static class TestCertificates
{
    public static string CertificateIn(TempFolder folder, string name, X509Certificate2 certificate) =>
        folder.Write(name, Encoding.ASCII.GetBytes(certificate.ExportCertificatePem()));

    public static string KeyIn(TempFolder folder, string name, X509Certificate2 certificate) => folder.Write(name, Encoding.ASCII.GetBytes(KeyOf(certificate)));

    public static string KeyOf(X509Certificate2 certificate) => certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem();         // made with one

    public static string EncryptedKeyOf(X509Certificate2 certificate, string password) =>
        certificate.GetECDsaPrivateKey()!.ExportEncryptedPkcs8PrivateKeyPem(password, new PbeParameters(PbeEncryptionAlgorithm.Aes128Cbc, HashAlgorithmName.SHA256, 10));

    /// <param name="fromDays">from today</param> <param name="toDays">from today</param>
    public static X509Certificate2 Make(int fromDays = -1, int toDays = 30)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(System.Net.IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSelfSigned(DateTimeOffset.Now.AddDays(fromDays), DateTimeOffset.Now.AddDays(toDays));
    }
}
