using Fathom.Model;
using Fathom.Tests.Model;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Parity;

/// <summary>One engine per shape and cache format with the bits of one long cold run, made when first asked for.</summary>
public sealed class SameBitsEngines : IDisposable
{
    /// <summary>Tokens of the cold run: two closings of the widest window, and more than any ring holds.</summary>
    internal const int Length = 300;

    private readonly Dictionary<string, (TinyEngine Engine, int[] Tokens, Bits Cold)> _subjects = [];

    /// <summary>Every shape with every cache format, as "Flash Mixed".</summary>
    public static TheoryData<string> Names =>
        [.. TinyModels.All.Keys.SelectMany(shape => Enum.GetNames<CacheFormat>().Select(format => $"{shape} {format}"))];

    public void Dispose()
    {
        foreach ((TinyEngine engine, _, _) in _subjects.Values) engine.Dispose();
    }

    internal (TinyEngine Engine, int[] Tokens, Bits Cold) this[string name]
    {
        get
        {
            if (!_subjects.TryGetValue(name, out (TinyEngine Engine, int[] Tokens, Bits Cold) subject))
            {
                TinyEngine engine = Make(name);
                int[] tokens = Tokens(engine.Config, Length, 1);
                _subjects[name] = subject = (engine, tokens, engine.Run(tokens));
            }

            return subject;
        }
    }

    internal static TinyEngine Make(string name, int threads = 2, StoredAs stored = StoredAs.Bf16, Func<Devices.Device, Devices.Device>? decorate = null)
    {
        string[] parts = name.Split(' ');
        using RandomModel model = RandomModel.Write(TinyModels.All[parts[0]], stored);
        return new TinyEngine(model, Enum.Parse<CacheFormat>(parts[1]), threads, decorate: decorate);
    }

    internal static int[] Tokens(ModelConfig config, int count, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(config.VocabularySize))];
    }

    /// <summary>Found must be the cold bits of positions <paramref name="first"/> …; drafts begin at position 0 of the token before.</summary>
    internal static void AssertSame(Bits cold, Bits found, int first, string how)
    {
        Compare("logits", cold.Logits, found.Logits, first, how);
        Compare("draft", cold.Drafts, found.Drafts, Math.Max(0, first - 1), how);
    }

    private static void Compare(string what, List<int[]> cold, List<int[]> found, int first, string how)
    {
        for (int t = 0; t < found.Count; t++)
        {
            int[] expected = cold[first + t];
            int at = found[t].AsSpan().CommonPrefixLength(expected);
            if (at == expected.Length) continue;
            float x = BitConverter.Int32BitsToSingle(found[t][at]), y = BitConverter.Int32BitsToSingle(expected[at]);
            Assert.Fail($"{how}: {what} {at} of position {first + t} is {x:R}, cold {y:R}.");
        }
    }
}
