using System.Security.Cryptography;
using System.Text;

namespace Fathom.Server.Anthropic;

/// <summary>
/// Signs thinking, because clients expect a signature and send it back. It says that this process wrote the text; nothing depends on it on the way back,
/// where thinking is read with any signature or none. May be used from any thread.
/// </summary>
internal static class ThinkingSignature
{
    private static readonly byte[] s_key = RandomNumberGenerator.GetBytes(HMACSHA256.HashSizeInBytes);

    /// <summary>The signature of a text.</summary>
    public static string Of(string thinking) => Convert.ToBase64String(HMACSHA256.HashData(s_key, Encoding.UTF8.GetBytes(thinking)));
}
