using System.Globalization;
using System.Text;
using CsCheck;
using Fathom.Engine;
using Fathom.Tests.Text;
using Fathom.Text;
using Xunit;

namespace Fathom.Tests.Engine;

public class LoopDetectorTests
{
    [Theory]
    [InlineData(1, 1024)]
    [InlineData(2, 512)]
    [InlineData(37, 27)]
    [InlineData(200, 5)]
    [InlineData(256, 4)]
    public void Finds_a_cycle_and_says_its_period_and_repeats(int period, int repeats)
    {
        var random = new Random(period);
        int[] cycle = [.. Enumerable.Range(0, period).Select(i => i * 3 + 1000 + random.Next(3))];
        var detector = new LoopDetector();
        for (int i = 0; i < 777; i++)
            Assert.False(detector.Push(random.Next(900)));
        int pushed = 0;
        while (!detector.Push(cycle[pushed++ % period]))
            Assert.True(pushed < 2000, $"period {period}: nothing found");
        Assert.Equal(period, detector.Period);
        Assert.InRange(detector.Repeats, 4, repeats);
        Assert.InRange(pushed, 512, Math.Max(512, 4 * period) + 64);
    }

    [Fact]
    public void A_cycle_too_long_too_short_lived_or_broken_is_none()
    {
        Assert.Equal(0, Count(Enumerable.Range(0, 5000).Select(i => i % 257)));
        Assert.Equal(0, Count(Enumerable.Range(0, 511).Select(i => i % 5)));
        Assert.Equal(0, Count(Enumerable.Range(0, 5000).Select(i => i % 400 == 399 ? -1 : i % 5)));
    }

    [Fact]
    public void It_finds_what_the_definition_says() =>
        Gen.Select(Gen.Int[1, 5], Gen.Int[4, 24], Gen.Int[2, 3], Gen.Int[0, 2].Array[1, 9], Gen.Int[0, 200]).Sample((periodMax, tokensMin, repeatsMin, cycle, noise) =>
        {
            var detector = new LoopDetector(periodMax, tokensMin, repeatsMin);
            int[] text = [.. Enumerable.Range(0, 256).Select(i => i < noise ? i * i % 7 : cycle[i % cycle.Length])];
            for (int i = 0; i < text.Length; i++)
            {
                bool found = detector.Push(text[i]);
                if ((i + 1) % 64 != 0)
                    continue;
                bool expected = Enumerable.Range(1, periodMax).Any(period => Repeated(text[..(i + 1)], period) is int covered
                    && covered >= tokensMin && covered / period >= repeatsMin);
                Assert.True(found == expected, $"after {i + 1} of {string.Join(' ', text)}: expected {expected}, found period {detector.Period}");
                if (found)
                    return;
            }
        });

    [Fact]
    public void Prose_is_no_loop() => AssertNone(File.ReadAllText(TestFiles.Path("models", "fathom-nano", "heldout.txt")));

    [Fact]
    public void Code_is_no_loop() => AssertNone(string.Concat(
        Directory.EnumerateFiles(TestFiles.Path("src", "Fathom"), "*.cs", SearchOption.AllDirectories).Order().Take(60).Select(File.ReadAllText)));

    [Fact]
    public void Tables_and_lists_of_numbers_are_no_loop()
    {
        var text = new StringBuilder("| item | price | stock |\n|---|---|---|\n");
        for (int row = 0; row < 400; row++)
            text.Append(CultureInfo.InvariantCulture, $"| A-{row:000} | 9.95 EUR | 0 |\n");
        text.Append(CultureInfo.InvariantCulture, $"\n[{string.Join(", ", Enumerable.Range(0, 1500))}]\n");
        text.Append(CultureInfo.InvariantCulture, $"[{string.Join(", ", Enumerable.Range(0, 2000).Select(i => i * 7919 % 1009 / 100))}]\n");
        text.Append(new string('-', 300)).Append('\n').Append(new string('=', 300)).Append('\n');
        for (int row = 0; row < 60; row++)
            text.Append(CultureInfo.InvariantCulture, $"<tr><td class=\"name\">Row {row}</td><td class=\"value\">0.00</td></tr>\n");
        AssertNone(text.ToString());
    }

    [Fact]
    public void A_sentence_over_and_over_is_one()
    {
        foreach (Tokenizer tokenizer in new[] { Tokenizers.V4, Tokenizers.Nano })
            Assert.Equal(1, Count(tokenizer.Encode(string.Concat(Enumerable.Repeat("And the king said unto him, What is thy name?\n", 90)), false)));
    }

    [Fact]
    public void It_allocates_nothing()
    {
        var detector = new LoopDetector();
        detector.Push(0);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 5000; i++)
            detector.Push(i * i % 1009);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static void AssertNone(string text)
    {
        foreach (Tokenizer tokenizer in new[] { Tokenizers.V4, Tokenizers.Nano })
            Assert.Equal(0, Count(tokenizer.Encode(text, recognizeAddedTokens: false)));
    }

    private static int Repeated(int[] text, int period)
    {
        int at = text.Length - 1;
        while (at >= period && text[at] == text[at - period])
            at--;
        return text.Length - 1 - at + Math.Min(period, at + 1);
    }

    private static int Count(IEnumerable<int> tokens)
    {
        var detector = new LoopDetector();
        foreach (int token in tokens)
        {
            if (detector.Push(token))
                return 1;
        }

        return 0;
    }
}
