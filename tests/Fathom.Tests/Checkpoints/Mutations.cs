using System.Globalization;
using System.Text;
using Fathom.Checkpoints;
using Fathom.Engine;
using Fathom.Model;
using Xunit;

namespace Fathom.Tests.Checkpoints;

/// <summary>
/// Damages good files at random and feeds them to a reader: it must succeed or throw one of the exceptions for bad input, soon.
/// FATHOM_FUZZ_CASES sets the number of cases per reader, FATHOM_FUZZ_SEED repeats a run.
/// </summary>
internal static class Mutations
{
    private const int DefaultCases = 1_000;

    // Far above any good run and far below a test's patience.
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(5);

    // Numbers at the edges of the types that readers compute with.
    private static readonly string[] s_numbers =
    [
        "0", "-1", "1", "2", "3", "255", "65536", "2147483647", "2147483648", "4294967295", "4294967296", "9223372036854775807",
        "9223372036854775808", "-9223372036854775808", "18446744073709551615", "1e9", "1e308", "1e999", "-1e-999", "0.5", "NaN", "null", "\"1\"", "[]",
    ];

    /// <summary>Runs the cases of one reader.</summary>
    /// <param name="originals">good inputs</param>
    /// <param name="read">reads one input to the end; gives the input's outcome by returning or throwing</param>
    /// <param name="isJson">where the JSON lies in an input, also in a damaged one; for mutations that know about it</param>
    public static void Run(IReadOnlyList<byte[]> originals, Action<byte[]> read, Func<byte[], Range> isJson)
    {
        int cases = Setting("FATHOM_FUZZ_CASES", DefaultCases);
        int seed = Setting("FATHOM_FUZZ_SEED", Random.Shared.Next());
        TestContext.Current.TestOutputHelper?.WriteLine($"FATHOM_FUZZ_SEED={seed} FATHOM_FUZZ_CASES={cases}");
        int refused = 0;
        for (int i = 0; i < cases; i++)
        {
            // Each case has a seed of its own, so that one can be repeated without those before it.
            var random = new Random(unchecked(seed + (i * 7919)));
            byte[] original = originals[random.Next(originals.Count)];
            byte[] input = Mutate(original, isJson, random);
            var clock = System.Diagnostics.Stopwatch.StartNew();
            try
            {
                read(input);
            }
            catch (Exception e) when (e is CheckpointException or ModelConfigException or RequestException)
            {
                Assert.False(string.IsNullOrWhiteSpace(e.Message));
                refused++;
            }
            catch (Exception e)
            {
                Assert.Fail($"case {i} of seed {seed}: {e}\ninput ({input.Length} bytes): " +
                    $"{Convert.ToBase64String(input.AsSpan(0, Math.Min(input.Length, 6000)))}");
            }
            Assert.True(clock.Elapsed < s_longest, $"case {i} of seed {seed} took {clock.Elapsed}");
        }
        // A fuzzer whose inputs are never refused, or always, tests nothing.
        TestContext.Current.TestOutputHelper?.WriteLine($"{refused} of {cases} refused");
        Assert.InRange(refused, cases / 10, cases - 1);
    }

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out int value) ? value : otherwise;

    private static byte[] Mutate(byte[] original, Func<byte[], Range> isJson, Random random)
    {
        byte[] input = original;
        int rounds = random.Next(1, 4);
        for (int i = 0; i < rounds && input.Length > 0; i++)
        {
            (int start, int size) = isJson(input).GetOffsetAndLength(input.Length);
            (int offset, int length) = random.Next(4) > 0 ? (start, size) : (0, input.Length);
            input = random.Next(8) switch
            {
                0 => Flip(input, offset, length, random),
                1 => input[..random.Next(input.Length)],
                2 => Splice(input, offset, length, random),
                3 => Overwrite(input, offset, length, random),
                4 or 5 => Json(input, start, size, random, EditNumber),
                6 => Json(input, start, size, random, DeleteKey),
                _ => Json(input, start, size, random, SwapStrings),
            };
        }
        return input;
    }

    private static byte[] Flip(byte[] input, int offset, int length, Random random)
    {
        byte[] result = [.. input];
        if (length > 0)
        {
            result[offset + random.Next(length)] ^= (byte)(1 << random.Next(8));
        }
        return result;
    }

    private static byte[] Overwrite(byte[] input, int offset, int length, Random random)
    {
        byte[] result = [.. input];
        int at = offset + random.Next(Math.Max(length, 1));
        random.NextBytes(result.AsSpan(at, Math.Min(random.Next(1, 9), result.Length - at)));
        return result;
    }

    private static byte[] Splice(byte[] input, int offset, int length, Random random)
    {
        int from = offset + random.Next(length + 1);
        int count = random.Next(Math.Min(length, 200) + 1);
        byte[] piece = input[from..Math.Min(from + count, input.Length)];
        int at = offset + random.Next(length + 1);
        bool remove = random.Next(2) == 0;
        return remove ? [.. input[..from], .. input[Math.Min(from + count, input.Length)..]] : [.. input[..at], .. piece, .. input[at..]];
    }

    // Edits the JSON as text and, where a binary length stands before it, corrects that so that the edit is reached.
    private static byte[] Json(byte[] input, int offset, int length, Random random, Func<string, Random, string> edit)
    {
        byte[] edited = Encoding.Latin1.GetBytes(edit(Encoding.Latin1.GetString(input, offset, length), random));
        byte[] result = [.. input[..offset], .. edited, .. input[(offset + length)..]];
        if (offset == sizeof(long))
        {
            BitConverter.TryWriteBytes(result, (long)edited.Length);
        }
        return result;
    }

    private static string EditNumber(string json, Random random)
    {
        int start = Find(json, random, char.IsAsciiDigit);
        if (start < 0)
        {
            return json;
        }
        int end = start;
        while (start > 0 && char.IsAsciiDigit(json[start - 1]))
        {
            start--;
        }
        while (end < json.Length && char.IsAsciiDigit(json[end]))
        {
            end++;
        }
        return string.Concat(json.AsSpan(0, start), s_numbers[random.Next(s_numbers.Length)], json.AsSpan(end));
    }

    private static string DeleteKey(string json, Random random)
    {
        int comma = Find(json, random, static c => c == ',');
        int next = comma < 0 ? -1 : json.IndexOf(',', comma + 1);
        return next < 0 ? json : string.Concat(json.AsSpan(0, comma), json.AsSpan(next));
    }

    private static string SwapStrings(string json, Random random)
    {
        string[] parts = json.Split('"');
        int a = (random.Next(parts.Length / 2 + 1) * 2) + 1;
        int b = (random.Next(parts.Length / 2 + 1) * 2) + 1;
        if (a < parts.Length && b < parts.Length)
        {
            (parts[a], parts[b]) = (parts[b], random.Next(2) == 0 ? parts[a] : parts[b]);
        }
        return string.Join('"', parts);
    }

    private static int Find(string text, Random random, Func<char, bool> wanted)
    {
        int start = random.Next(text.Length + 1);
        for (int i = 0; i < text.Length; i++)
        {
            int at = (start + i) % text.Length;
            if (wanted(text[at]))
            {
                return at;
            }
        }
        return -1;
    }
}
