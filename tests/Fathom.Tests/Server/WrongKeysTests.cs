using System.Net;
using Fathom.Server;
using Xunit;

namespace Fathom.Tests.Server;

public class WrongKeysTests
{
    private readonly Clock _clock = new();
    private readonly WrongKeys _wrong;

    public WrongKeysTests() => _wrong = new WrongKeys(_clock);

    [Fact]
    public void An_address_is_refused_for_the_rest_of_the_minute_and_others_are_not()
    {
        Assert.Equal(10, Guesses("203.0.113.5", 30));
        Assert.False(_wrong.Allows(IPAddress.Parse("203.0.113.5"), "ann"));
        Assert.False(_wrong.Allows(IPAddress.Parse("::ffff:203.0.113.5"), "ann"));
        Assert.True(_wrong.Allows(IPAddress.Parse("203.0.113.6"), "ann"));
        _clock.Seconds += 59;
        Assert.Equal(0, Guesses("203.0.113.5", 1));
        _clock.Seconds += 1;
        Assert.Equal(10, Guesses("203.0.113.5", 30));
    }

    [Fact]
    public void A_key_that_was_right_before_goes_on()
    {
        Assert.True(_wrong.Allows(IPAddress.Parse("203.0.113.5"), "ann"));
        Guesses("203.0.113.5", 30);
        Assert.True(_wrong.Allows(IPAddress.Parse("203.0.113.5"), "ann"));
        Assert.False(_wrong.Allows(IPAddress.Parse("203.0.113.5"), "ben"));
    }

    [Fact]
    public void An_IPv6_network_is_one_address()
    {
        Assert.Equal(10, Enumerable.Range(0, 30).Count(i => _wrong.Allows(IPAddress.Parse($"2001:db8:1:2::{i:x}"), null)));
        Assert.True(_wrong.Allows(IPAddress.Parse("2001:db8:1:3::1"), null));
    }

    // More addresses than are remembered: those that came first stay refused.
    [Fact]
    public void Many_addresses_take_bounded_memory()
    {
        Guesses("203.0.113.5", 10);
        for (int i = 0; i < 10_000; i++)
        {
            Assert.True(_wrong.Allows(new IPAddress([10, 0, (byte)(i >> 8), (byte)i]), null));
        }
        Assert.Equal(0, Guesses("203.0.113.5", 1));
        Assert.Equal(30, Guesses("10.255.0.1", 30));
    }

    private int Guesses(string address, int count) => Enumerable.Range(0, count).Count(_ => _wrong.Allows(IPAddress.Parse(address), null));

    private sealed class Clock : TimeProvider
    {
        public int Seconds { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => TimeSpan.FromSeconds(Seconds).Ticks;
    }
}
