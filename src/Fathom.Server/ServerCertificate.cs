using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Fathom.Server;

/// <summary>
/// The certificate by which a server proves its name, with its private key, from files that are read again when they change. May be used from any thread.
/// </summary>
public sealed class ServerCertificate
{
    // Between two looks at the files: a renewed certificate is in use so much later.
    private static readonly TimeSpan s_lookAgain = TimeSpan.FromSeconds(5);

    private readonly string _file;
    private readonly string? _keyFile;
    private readonly string? _password;
    private readonly TimeSpan _lookAgain;
    private readonly Lock _gate = new();
    private SslStreamCertificateContext _context;
    private byte[] _seen;
    private long _looked = Environment.TickCount64;

    private ServerCertificate(string file, string? keyFile, string? password, TimeSpan lookAgain)
    {
        (_file, _keyFile, _password, _lookAgain) = (file, keyFile, password, lookAgain);
        (byte[] certificate, byte[]? key) = ReadFiles();
        _seen = Digest(certificate, key);
        _context = Read(certificate, key);
    }

    /// <summary>Reads a certificate and checks it.</summary>
    /// <param name="file">PEM, the server's own certificate in front of those that vouch for it; or PKCS#12, which holds the key too</param>
    /// <param name="keyFile">PEM of the private key; null if <paramref name="file"/> holds it</param>
    /// <param name="password">of the key; null for none</param>
    /// <exception cref="InvalidDataException">a file is missing or is no such thing, the key belongs to another certificate, or its time is over or to come</exception>
    public static ServerCertificate Load(string file, string? keyFile, string? password) => Load(file, keyFile, password, s_lookAgain);

    internal static ServerCertificate Load(string file, string? keyFile, string? password, TimeSpan lookAgain)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        return new ServerCertificate(file, keyFile, password, lookAgain);
    }

    /// <summary>The certificate for the next connection. Files that have changed are read again; where they are at fault, the certificate in use stays.</summary>
    /// <param name="report">told of a fault, once for each change; null for nobody</param>
    internal SslStreamCertificateContext Current(Action<string>? report)
    {
        lock (_gate)
        {
            if (Environment.TickCount64 - _looked >= _lookAgain.TotalMilliseconds)
            {
                _looked = Environment.TickCount64;
                Renew(report);
            }
            return _context;
        }
    }

    private void Renew(Action<string>? report)
    {
        try
        {
            (byte[] certificate, byte[]? key) = ReadFiles();
            byte[] digest = Digest(certificate, key);
            if (digest.AsSpan().SequenceEqual(_seen))
            {
                return;
            }
            _seen = digest;
            _context = Read(certificate, key);
        }
        catch (InvalidDataException e)
        {
            // The two files of a renewal may be written one after the other.
            report?.Invoke($"{e.Message} The certificate in use stays.");
        }
    }

    private (byte[] Certificate, byte[]? Key) ReadFiles() => (ReadFile(_file, "a certificate"), _keyFile is null ? null : ReadFile(_keyFile, "a private key"));

    private static byte[] ReadFile(string file, string expected)
    {
        try
        {
            return File.ReadAllBytes(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidDataException($"{file}: expected {expected}, found no file that can be read. {e.Message}", e);
        }
    }

    private static byte[] Digest(byte[] certificate, byte[]? key) => [.. SHA256.HashData(certificate), .. SHA256.HashData(key ?? [])];

    private SslStreamCertificateContext Read(byte[] certificate, byte[]? key)
    {
        X509Certificate2Collection all = certificate.AsSpan().IndexOf("-----BEGIN "u8) >= 0
            ? FromPem(Encoding.UTF8.GetString(certificate), key is null ? null : Encoding.UTF8.GetString(key)) : FromPkcs12(certificate);
        X509Certificate2 own = all.FirstOrDefault(one => one.HasPrivateKey)
            ?? throw new InvalidDataException($"{_file}: expected a certificate with its private key, found none. Give the key's file too.");
        DateTime now = DateTime.Now;                                                      // as the certificate's bounds are
        if (now > own.NotAfter || now < own.NotBefore)
        {
            string found = now > own.NotAfter ? FormattableString.Invariant($"ended on {own.NotAfter:yyyy-MM-dd HH:mm}")
                : FormattableString.Invariant($"begins on {own.NotBefore:yyyy-MM-dd HH:mm}");
            throw new InvalidDataException($"{_file}: expected a certificate that is valid now, found one for {own.Subject} that {found}. Renew it, or set "
                + $"the clock.");
        }
        if (OperatingSystem.IsWindows())
        {
            own = X509CertificateLoader.LoadPkcs12(own.Export(X509ContentType.Pkcs12), null);       // its TLS takes no key that is only in memory
        }
        return SslStreamCertificateContext.Create(own, [.. all.Where(one => !one.HasPrivateKey)], offline: true);
    }

    private X509Certificate2Collection FromPem(string certificate, string? key)
    {
        var all = new X509Certificate2Collection();
        string keys = key ?? certificate, keyFile = _keyFile ?? _file;
        try
        {
            all.ImportFromPem(certificate);
        }
        catch (CryptographicException e)
        {
            throw new InvalidDataException($"{_file}: expected a certificate in PEM, found one that is damaged. {e.Message}", e);
        }
        if (all.Count == 0)
        {
            throw new InvalidDataException($"{_file}: expected BEGIN CERTIFICATE, found none. Is it the key?");
        }
        if (!keys.Contains("PRIVATE KEY-----", StringComparison.Ordinal))
        {
            throw new InvalidDataException($"{keyFile}: expected a private key in PEM, found none. Give the file that holds it.");
        }
        bool isEncrypted = keys.Contains("ENCRYPTED PRIVATE KEY-----", StringComparison.Ordinal);
        if (isEncrypted && _password is null)
        {
            throw new InvalidDataException($"{keyFile}: expected a password for the private key, found none.");
        }
        try
        {
            all[0] = isEncrypted ? X509Certificate2.CreateFromEncryptedPem(certificate, keys, _password) : X509Certificate2.CreateFromPem(certificate, keys);
            return all;
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new InvalidDataException(
                $"{keyFile}: expected the private key of the certificate in {_file}{(isEncrypted ? " and its password" : "")}, found another. {e.Message}", e);
        }
    }

    private X509Certificate2Collection FromPkcs12(byte[] bytes)
    {
        try
        {
            return X509CertificateLoader.LoadPkcs12Collection(bytes, _password);
        }
        catch (CryptographicException e)
        {
            throw new InvalidDataException($"{_file}: expected a certificate in PEM, or PKCS#12 and its password. {e.Message}", e);
        }
    }
}
