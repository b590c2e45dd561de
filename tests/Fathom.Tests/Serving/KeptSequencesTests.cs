using Fathom.Cpu;
using Fathom.Model;
using Fathom.Serving;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Tests.Serving;

public sealed class KeptSequencesTests : IDisposable
{
    private const int Tokens = 40;

    private readonly CpuDevice _device = new(1);
    private readonly CacheLayout _layout = new(TinyModels.Flash, CacheFormat.Mixed);
    private readonly CacheUsage _usage = new();
    private readonly Clock _clock = new();
    private readonly KeptSequences _kept;

    public KeptSequencesTests() => _kept = new KeptSequences(_clock, _usage);

    private long Bytes => _layout.StateBytes + _layout.BlockBytes;

    [Fact]
    public void Gives_up_what_was_not_used_for_longest()
    {
        const int Count = 200;
        for (int i = 0; i < Count; i++)
        {
            Keep(Text(i));
        }
        _kept.Fit(150 * Bytes);
        Assert.Equal(Enumerable.Range(50, 150), Left(Count));
        for (int i = 50; i < 60; i++)
        {
            Use(Text(i));
        }
        for (int left = 149; left >= 100; left--)
        {
            _kept.Fit(left * Bytes);
        }
        Assert.Equal([.. Enumerable.Range(50, 10), .. Enumerable.Range(110, 90)], Left(Count));
    }

    // The one alone would cost all its tokens again, and the other only those behind a beginning that is kept too.
    [Fact]
    public void What_begins_as_another_does_is_worth_only_the_rest()
    {
        Keep(Text(0));
        Keep(Text(1));
        Keep([.. Text(1), 5, 6, 7]);
        _kept.Fit(2 * Bytes);
        Assert.Equal([0, 1], Left(2));
        Assert.Equal(2, _kept.Count);
    }

    [Fact]
    public void The_same_tokens_are_kept_once_for_each_tenant()
    {
        Keep(Text(0));
        Keep(Text(0));
        _kept.Add("another", Sequence(Text(0)));
        Assert.Equal((2, 2 * Bytes), (_kept.Count, _usage.Bytes));
    }

    [Fact]
    public void Bytes_are_counted_until_the_last_who_shares_them_is_gone()
    {
        SequenceCache first = Sequence(Text(0)), fork = first.Fork();
        Assert.Equal(_layout.BlockBytes + (2 * _layout.StateBytes), _usage.Bytes);
        fork.Reserve(1);
        Assert.Equal(2 * Bytes, _usage.Bytes);
        SequenceCache twig = fork.Fork();
        fork.Dispose();
        fork.Dispose();
        Assert.Equal(2 * Bytes, _usage.Bytes);
        twig.Dispose();
        first.Dispose();
        Assert.Equal(0, _usage.Bytes);
    }

    public void Dispose()
    {
        _kept.Clear();
        _device.Dispose();
        Assert.Equal(0, _usage.Bytes);
    }

    private static int[] Text(int number) => [number, .. Enumerable.Range(0, Tokens - 1)];

    private SequenceCache Sequence(int[] tokens)
    {
        var sequence = new SequenceCache(_device, _layout, _usage);
        sequence.Begin(tokens);
        return sequence;
    }

    private void Keep(int[] tokens)
    {
        _clock.Minutes++;
        _kept.Add("", Sequence(tokens));
    }

    private void Use(int[] tokens)
    {
        _clock.Minutes++;
        Assert.NotNull(_kept.Find("", [.. tokens, 0], out _));
    }

    private IEnumerable<int> Left(int count) => Enumerable.Range(0, count).Where(i => _kept.Measure("", [.. Text(i), 0]) > 0);

    private sealed class Clock : TimeProvider
    {
        public int Minutes { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => TimeSpan.FromMinutes(Minutes).Ticks;
    }
}
