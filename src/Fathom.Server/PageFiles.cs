using System.Reflection;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Fathom.Server;

/// <summary>
/// The chat page: files in the assembly, served as they are under their hash. The page is told to load nothing from elsewhere, to make no HTML of text and to
/// be in no frame. It holds no secret, so everybody who reaches the server may have it; what it asks the server goes through the door.
/// </summary>
internal static class PageFiles
{
    private const string Folder = "wwwroot/";
    private const string Start = "index.html";

    private const string Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
        + "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

    private static readonly Dictionary<string, PageFile> s_files = Load();

    private sealed record PageFile(ReadOnlyMemory<byte> Bytes, string Type, string Tag);

    /// <summary>Names of the files.</summary>
    public static IEnumerable<string> Names => s_files.Keys;

    /// <summary>The page at <c>/</c>, and its parts at <c>/page/NAME</c>.</summary>
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapMethods("/", ["GET", "HEAD"], http => AnswerAsync(http, s_files[Start]));
        foreach ((string name, PageFile file) in s_files)
        {
            routes.MapMethods("/page/" + name, ["GET", "HEAD"], http => AnswerAsync(http, file));
        }
    }

    private static async Task AnswerAsync(HttpContext http, PageFile file)
    {
        IHeaderDictionary headers = http.Response.Headers;
        headers.ContentSecurityPolicy = Policy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers.CacheControl = "no-cache";                                                // kept by browsers, and asked for again by its tag
        headers.ETag = file.Tag;
        if (http.Request.Headers.IfNoneMatch.Any(tags => tags?.Contains(file.Tag, StringComparison.Ordinal) ?? false))
        {
            http.Response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }
        http.Response.ContentType = file.Type;
        http.Response.ContentLength = file.Bytes.Length;
        if (HttpMethods.IsGet(http.Request.Method))
        {
            await http.Response.Body.WriteAsync(file.Bytes, http.RequestAborted).ConfigureAwait(false);
        }
    }

    private static Dictionary<string, PageFile> Load()
    {
        Assembly assembly = typeof(PageFiles).Assembly;
        var files = new Dictionary<string, PageFile>(StringComparer.Ordinal);
        foreach (string resource in assembly.GetManifestResourceNames().Where(name => name.StartsWith(Folder, StringComparison.Ordinal)))
        {
            using Stream stream = assembly.GetManifestResourceStream(resource)!;          // it was listed
            var bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            string name = resource[Folder.Length..];
            files[name] = new PageFile(bytes, TypeOf(name), $"\"{Convert.ToHexStringLower(SHA256.HashData(bytes))[..32]}\"");
        }
        return files;
    }

    private static string TypeOf(string name) => Path.GetExtension(name) switch
    {
        ".html" => "text/html; charset=utf-8",
        ".css" => "text/css; charset=utf-8",
        ".js" => "text/javascript; charset=utf-8",
        ".svg" => "image/svg+xml",
        string other => throw new InvalidOperationException($"{name}: no content type is known for {other}."),
    };
}
