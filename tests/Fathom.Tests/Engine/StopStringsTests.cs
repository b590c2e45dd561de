using CsCheck;
using Fathom.Engine;
using Xunit;

namespace Fathom.Tests.Engine;

public class StopStringsTests
{
    [Theory]
    [InlineData("one two three", "two", "one ")]
    [InlineData("one two three", "four", "one two three")]
    [InlineData("aaab", "aab", "a")]
    [InlineData("###", "#", "")]
    [InlineData("東京 と", "京 ", "東")]
    public void Gives_the_text_before_it(string text, string stop, string before) =>
        Assert.Equal((before, before.Length < text.Length ? stop : null), Whole([stop], text));

    [Fact]
    public void Holds_back_only_what_might_be_a_beginning()
    {
        var stops = new StopStrings(["\n\nUser:", "User;"]);
        Assert.Equal("Hello", stops.Push("Hello"));
        Assert.Equal("", stops.Push("\n"));
        Assert.Equal("\nx", stops.Push("x"));
        Assert.Equal(" the ", stops.Push(" the Use"));
        Assert.Equal("Use of ", stops.Push(" of User"));
        Assert.Equal("User", stops.Flush());
    }

    [Fact]
    public void Gives_what_was_held_back_when_the_text_ends()
    {
        var stops = new StopStrings(["END"]);
        Assert.Equal("an ", stops.Push("an EN"));
        Assert.Equal("EN", stops.Flush());
        Assert.Null(stops.Hit);
    }

    [Fact]
    public void Of_two_complete_at_once_it_is_the_longer_and_nothing_follows()
    {
        var stops = new StopStrings(["b", "ab", "abc"]);
        Assert.Equal("x", stops.Push("xabc"));
        Assert.Equal("ab", stops.Hit);
        Assert.Equal("", stops.Push("more"));
        Assert.Equal("", stops.Flush());
    }

    [Fact]
    public void Empty_strings_and_more_than_sixteen_are_refused()
    {
        Assert.Contains("stop[1]", Assert.Throws<RequestException>(() => new StopStrings(["a", ""])).Message, StringComparison.Ordinal);
        Assert.Throws<RequestException>(() => new StopStrings([.. Enumerable.Range(0, 17).Select(i => $"{i}")]));
        Assert.Equal(("text", null), Whole([], "text"));
    }

    [Fact]
    public void However_the_text_is_cut_the_outcome_is_that_of_searching_it_at_once() =>
        Gen.Select(Gen.Char["ab."].Array[0, 40], Gen.Char["ab."].Array[1, 5].Array[1, 4], Gen.Int[1, 7].Array[40]).Sample((letters, stops, cuts) =>
        {
            string text = new(letters);
            string[] strings = [.. stops.Select(stop => new string(stop))];
            var search = new StopStrings(strings);
            string found = "";
            for (int at = 0, piece = 0; at < text.Length; piece++)
            {
                int length = Math.Min(cuts[piece], text.Length - at);
                found += search.Push(text.Substring(at, length));
                at += length;
                Assert.True(search.Hit is not null || text[..at].StartsWith(found, StringComparison.Ordinal) && IsHeldRightly(text[found.Length..at], strings),
                    $"'{text[..at]}' gave '{found}'");
            }

            found += search.Flush();
            (string before, string? hit) = Expected(text, strings);
            Assert.True((found, search.Hit) == (before, hit), $"'{text}' with {string.Join(", ", strings)}: expected '{before}' by {hit}, found '{found}' by {search.Hit}");
        }, iter: 2000);

    // The longest ending that begins a stop string, and no longer.
    private static bool IsHeldRightly(string held, string[] stops) =>
        held.Length == 0 || stops.Any(stop => stop.Length > held.Length && stop.StartsWith(held, StringComparison.Ordinal));

    private static (string Before, string? Hit) Expected(string text, string[] stops)
    {
        for (int end = 1; end <= text.Length; end++)
        {
            string? hit = stops.Where(stop => text[..end].EndsWith(stop, StringComparison.Ordinal)).MaxBy(stop => stop.Length);
            if (hit is not null)
                return (text[..(end - hit.Length)], hit);
        }

        return (text, null);
    }

    private static (string, string?) Whole(string[] stops, string text)
    {
        var search = new StopStrings(stops);
        return (search.Push(text) + search.Flush(), search.Hit);
    }
}
