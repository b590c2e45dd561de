using Fathom.Devices;
using Fathom.Model;
using Fathom.Tests.Model;
using Xunit;

namespace Fathom.Parity;

/// <summary>The model keeps every rule of the device, and the checks change no bit.</summary>
public class CheckedEngineTests(SameBitsEngines engines) : IClassFixture<SameBitsEngines>
{
    public static TheoryData<string> Names => SameBitsEngines.Names;

    [Theory]
    [MemberData(nameof(Names))]
    public void No_operation_is_called_against_its_rules(string name)
    {
        (_, int[] tokens, Bits cold) = engines[name];
        using TinyEngine engine = SameBitsEngines.Make(name, decorate: inner => new CheckedDevice(inner));
        using SequenceCache first = engine.Transformer.NewSequence(), second = engine.Transformer.NewSequence();
        engine.Feed(second, tokens.AsSpan(50, 1));
        for (int t = 0, count; t < 150; t += count)
        {
            count = Math.Min(t % 2 == 0 ? 5 : 30, 150 - t);
            Bits[] found = engine.Feed([second, first], [tokens[t..(t + 1)], tokens[t..(t + count)]]);
            SameBitsEngines.AssertSame(cold, found[1], t, $"{name}, checked");
        }
    }
}
