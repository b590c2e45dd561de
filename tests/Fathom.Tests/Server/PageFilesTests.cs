using System.Net;
using System.Text.RegularExpressions;
using Fathom.Server;
using Xunit;

namespace Fathom.Tests.Server;

public partial class PageFilesTests
{
    private const int LinesMax = 400;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_page_comes_before_the_model_is_loaded_and_without_a_key()
    {
        await using ServerBench bench = await ServerBench.StartAsync(options => options with { Keys = ApiKeys.Parse(["a-key-of-many-letters"], "test") }, isLoaded: false);
        HttpResponseMessage page = await bench.Client.GetAsync("/", Cancellation);
        Assert.Equal((HttpStatusCode.OK, "text/html"), (page.StatusCode, page.Content.Headers.ContentType?.MediaType));
        string policy = page.Headers.GetValues("Content-Security-Policy").Single();
        Assert.StartsWith("default-src 'none'; script-src 'self';", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
        Assert.Equal("nosniff", page.Headers.GetValues("X-Content-Type-Options").Single());
    }

    [Fact]
    public async Task Every_file_that_the_page_names_is_there_with_its_type_and_its_tag()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        var types = new Dictionary<string, string> { [".js"] = "text/javascript", [".css"] = "text/css", [".svg"] = "image/svg+xml" };
        string html = await bench.Client.GetStringAsync("/", Cancellation);
        var paths = new Queue<string>(Paths().Matches(html).Select(match => "/page/" + match.Groups[1].Value));
        Assert.True(paths.Count >= 3, $"the page names {paths.Count} files");
        var seen = new HashSet<string>(paths);
        while (paths.TryDequeue(out string? path))
        {
            HttpResponseMessage file = await bench.Client.GetAsync(path, Cancellation);
            Assert.Equal((path, HttpStatusCode.OK, types[Path.GetExtension(path)]), (path, file.StatusCode, file.Content.Headers.ContentType?.MediaType));
            using var again = new HttpRequestMessage(HttpMethod.Get, path);
            again.Headers.IfNoneMatch.Add(file.Headers.ETag!);
            HttpResponseMessage same = await bench.Client.SendAsync(again, Cancellation);
            Assert.Equal((HttpStatusCode.NotModified, 0), (same.StatusCode, (await same.Content.ReadAsByteArrayAsync(Cancellation)).Length));
            foreach (Match import in Imports().Matches(await file.Content.ReadAsStringAsync(Cancellation)))
            {
                string imported = "/page/" + import.Groups[1].Value;
                if (seen.Add(imported))
                {
                    paths.Enqueue(imported);
                }
            }
        }
        Assert.Equal(PageFiles.Names.Where(name => name != "index.html").Select(name => "/page/" + name).Order(StringComparer.Ordinal), seen.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_part_has_the_page_s_name_and_no_other()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        using var head = new HttpRequestMessage(HttpMethod.Head, "/page/main.js");
        HttpResponseMessage response = await bench.Client.SendAsync(head, Cancellation);
        Assert.Equal((HttpStatusCode.OK, true), (response.StatusCode, response.Content.Headers.ContentLength > 0));
        foreach (string path in new[] { "/page/none.js", "/page/..%2fmain.js", "/page/" })
        {
            Assert.Equal(HttpStatusCode.NotFound, (await bench.Client.GetAsync(path, Cancellation)).StatusCode);
        }
    }

    [Fact]
    public void Files_are_short_load_nothing_from_elsewhere_and_make_no_html_of_text()
    {
        string[] wrong =
        [
            .. from path in Directory.EnumerateFiles(TestFiles.Path("src", "Fathom.Server", "wwwroot"))
               let text = File.ReadAllText(path)
               from fault in Faults(text)
               select $"{Path.GetFileName(path)}: {fault}",
        ];
        Assert.True(wrong.Length == 0, string.Join('\n', wrong));
        Assert.Equal(["401 lines", "innerHTML", "https://"], Faults(new string('\n', LinesMax) + "a.innerHTML = 'https://b.example'"));
    }

    private static IEnumerable<string> Faults(string text)
    {
        int lines = text.TrimEnd('\n').AsSpan().Count('\n') + 1;
        return (lines > LinesMax ? new[] { $"{lines} lines" } : []).Concat(Forbidden().Matches(text.Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal)).Select(match => match.Value));
    }

    [GeneratedRegex("(?:src|href)=\"/page/([^\"]+)\"")]
    private static partial Regex Paths();

    [GeneratedRegex("from \"\\./([^\"]+)\"")]
    private static partial Regex Imports();

    [GeneratedRegex("innerHTML|outerHTML|insertAdjacentHTML|document\\.write|\\beval\\b|localStorage|https?://|style=\"")]
    private static partial Regex Forbidden();
}
