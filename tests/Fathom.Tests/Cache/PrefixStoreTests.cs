using System.Runtime.InteropServices;
using Fathom.Cache;
using Fathom.Model;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Tests.Cache;

/// <summary>What is damaged, foreign, gone or too much is a miss, and never an answer.</summary>
public sealed class PrefixStoreTests : IDisposable
{
    private readonly StoreBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Equal_beginnings_share_their_segments_and_nothing_is_written_twice()
    {
        int[] text = _bench.Text(4300);
        Store(text);
        PrefixStore store = _bench.Open();
        int[] other = [.. text.AsSpan(0, 4100), .. _bench.Text(100, 2)];
        using SequenceCache sequence = _bench.Cold(other);
        Assert.True(store.Save(sequence, _bench.Logits));
        Assert.Equal((2, 2), (_bench.Files("*.segment").Length, _bench.Files("*.checkpoint").Length));
        long written = store.Statistics.BytesWritten;
        Assert.Equal(new FileInfo(_bench.Files("*.checkpoint")[0]).Length, written, 20_000.0);
        Assert.True(store.Save(sequence, _bench.Logits));
        Assert.Equal(written, store.Statistics.BytesWritten);
    }

    [Fact]
    public void A_flipped_bit_in_any_part_of_a_file_is_a_miss_that_is_reported_and_put_aside()
    {
        int[] text = _bench.Text(2300);
        int[] expected = _bench.Expected(text);
        foreach (string pattern in (string[])["*.segment", "*.checkpoint"])
        {
            foreach (double place in (double[])[0, 0.0001, 0.001, 0.004, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1])
            {
                Store(text);
                string file = Assert.Single(_bench.Files(pattern));
                byte[] bytes = File.ReadAllBytes(file);
                bytes[(int)((bytes.Length - 1) * place)] ^= 4;
                File.WriteAllBytes(file, bytes);
                PrefixStore store = _bench.Open();
                _bench.AssertWarm(0, expected, store, text);
                // A header that says something else is not even looked for; a check finds it.
                if (File.Exists(file))
                    Assert.Equal([file], new StoreCatalog(_bench.Root).Check(default, TestContext.Current.CancellationToken).Damaged);
                Assert.False(File.Exists(file), $"{pattern} at {place}");
                Directory.Delete(_bench.Root, recursive: true);
            }
        }

        Assert.NotEmpty(_bench.Reports);
    }

    [Fact]
    public void Truncated_empty_and_foreign_files_are_misses()
    {
        int[] text = _bench.Text(2300);
        int[] expected = _bench.Expected(text);
        foreach (Action<string> damage in (Action<string>[])[
            file => File.WriteAllBytes(file, []), file => File.WriteAllBytes(file, File.ReadAllBytes(file)[..^1]), file => File.WriteAllText(file, "something else"),
            file => File.Delete(file), file => File.Copy(_bench.Files("*.checkpoint")[0], file, overwrite: true)])
        {
            Store(text);
            damage(Assert.Single(_bench.Files("*.segment")));
            _bench.AssertWarm(0, expected, _bench.Open(), text);
            Directory.Delete(_bench.Root, recursive: true);
        }
    }

    [Fact]
    public void A_damaged_deeper_checkpoint_leaves_the_one_before()
    {
        int[] text = _bench.Text(400);
        using (SequenceCache sequence = _bench.Cold(text.AsSpan(0, 100)))
        {
            _bench.Open().Save(sequence, _bench.Logits);
            _bench.Feed(sequence, text.AsSpan(100, 200));
            _bench.Open().Save(sequence, _bench.Logits);
        }

        string deeper = _bench.Files("*.checkpoint").MaxBy(file => new FileInfo(file).Length)!;
        byte[] bytes = File.ReadAllBytes(deeper);
        bytes[^1] ^= 1;
        File.WriteAllBytes(deeper, bytes);
        PrefixStore store = _bench.Open();
        _bench.AssertWarm(100, _bench.Expected(text), store, text);
        Assert.Equal((1, 1), (store.Statistics.Damaged, store.Statistics.Hits));
        Assert.Single(_bench.Files("*.damaged"));
    }

    [Fact]
    public void Another_tenant_model_or_key_finds_nothing()
    {
        int[] text = _bench.Text(300);
        byte[] key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
        using SequenceCache sequence = _bench.Cold(text);
        _bench.Open("a", key: key).Save(sequence, _bench.Logits);
        Assert.Equal(300, _bench.Open("a", key: key).Find(text));
        Assert.Equal(0, _bench.Open("b", key: key).Find(text));
        Assert.Equal(0, _bench.Open("a").Find(text));
        Assert.Equal(0, _bench.Open("a", key: [.. key.Reverse()]).Find(text));
        Assert.Equal(0, _bench.Open("a", key: key, part: "model 2").Find(text));
        Assert.Throws<ArgumentException>(() => _bench.Open(key: new byte[16]));
    }

    [Fact]
    public void With_a_key_the_tokens_are_not_on_the_disk_and_the_bits_come_back()
    {
        int[] text = _bench.Text(2300);
        byte[] key = [.. Enumerable.Range(0, 32).Select(i => (byte)(i * 7))];
        byte[] tokens = MemoryMarshal.AsBytes(text.AsSpan(2100, 40)).ToArray();
        using SequenceCache sequence = _bench.Cold(text);
        _bench.Open("plain").Save(sequence, _bench.Logits);
        Assert.Contains(_bench.Files("*.checkpoint"), file => File.ReadAllBytes(file).AsSpan().IndexOf(tokens) >= 0);
        Directory.Delete(_bench.Root, recursive: true);
        _bench.Open(key: key).Save(sequence, _bench.Logits);
        Assert.DoesNotContain(_bench.Files("*.checkpoint"), file => File.ReadAllBytes(file).AsSpan().IndexOf(tokens) >= 0);
        _bench.AssertWarm(2300, _bench.Expected(text), _bench.Open(key: key), text);
        string file = _bench.Files("*.segment")[0];
        byte[] bytes = File.ReadAllBytes(file);
        bytes[500] ^= 1;
        File.WriteAllBytes(file, bytes);
        _bench.AssertWarm(0, _bench.Expected(text), _bench.Open(key: key), text);
    }

    [Fact]
    public void What_is_used_often_or_pinned_stays_when_room_is_made()
    {
        var clock = new StoppedClock();
        int[][] texts = [.. Enumerable.Range(1, 5).Select(seed => _bench.Text(300, seed))];
        foreach (int[] text in texts.AsSpan(0, 4))
        {
            using SequenceCache sequence = _bench.Cold(text);
            _bench.Open(clock: clock).Save(sequence, _bench.Logits);
        }

        long one = new FileInfo(_bench.Files("*.checkpoint")[0]).Length;
        PrefixStore store = _bench.Open(clock: clock, budget: (3 * one) + (one / 2));
        Assert.True(store.Pin("kept", texts[1], ["b.txt"]));
        Assert.Equal(300, _bench.Warm(store, texts[2]).Restored);
        using SequenceCache last = _bench.Cold(texts[4]);
        Assert.True(store.Save(last, _bench.Logits));
        Assert.Equal([0, 300, 300, 0, 300], texts.Select(text => _bench.Open().Find(text)));
        Assert.Equal(texts[1], store.TokensOf("kept"));

        // A clock that jumps back makes nothing older than new.
        clock.Now -= TimeSpan.FromDays(4000);
        Assert.Equal(300, _bench.Warm(_bench.Open(clock: clock), texts[2]).Restored);
    }

    [Fact]
    public void Segments_go_with_the_last_checkpoint_that_needs_them()
    {
        int[] text = _bench.Text(4200), other = [.. text.AsSpan(0, 2100), .. _bench.Text(50, 2)];
        Store(text);
        Store(other);
        Assert.Equal(2, _bench.Files("*.segment").Length);
        var catalog = new StoreCatalog(_bench.Root);
        StoreSummary summary = Assert.Single(catalog.List());
        Assert.Equal(("tiny", 2, 2), (summary.Model, summary.Segments, summary.Checkpoints.Count));
        Assert.Equal(1, catalog.Drop(summary.Checkpoints.Single(entry => entry.Tokens == 4200).Id));
        Assert.Single(_bench.Files("*.segment"));
        Assert.Equal((2150, 0), (_bench.Open().Find(other), _bench.Open().Find(text)));
        Assert.Equal(0, catalog.Drop("no such thing"));
    }

    [Fact]
    public void A_check_finds_what_is_damaged()
    {
        Store(_bench.Text(2300));
        var catalog = new StoreCatalog(_bench.Root);
        Assert.Equal(2, catalog.Check(default, TestContext.Current.CancellationToken).Files);
        string file = _bench.Files("*.segment")[0];
        byte[] bytes = File.ReadAllBytes(file);
        bytes[^9] ^= 1;
        File.WriteAllBytes(file, bytes);
        Assert.Equal([file], catalog.Check(default, TestContext.Current.CancellationToken).Damaged);
        Assert.Empty(catalog.Check(default, TestContext.Current.CancellationToken).Damaged);
    }

    [Fact]
    public void What_a_killed_writer_left_is_removed_and_what_a_live_one_writes_is_not()
    {
        Store(_bench.Text(100));
        string folder = Path.GetDirectoryName(_bench.Files("*.checkpoint")[0])!, dead = Path.Combine(folder, "a.partial"), live = Path.Combine(folder, "b.partial");
        File.WriteAllText(dead, "x");
        using (new FileStream(live, FileMode.CreateNew, FileAccess.Write, FileShare.None))
        {
            _bench.Open();
            Assert.False(File.Exists(dead));
            Assert.True(File.Exists(live));
        }
    }

    [Fact]
    public void A_second_process_s_files_are_found_without_a_restart()
    {
        int[] text = _bench.Text(200);
        PrefixStore first = _bench.Open();
        Assert.Equal(0, first.Find(text));
        Store(text);
        Assert.Equal(200, first.Find(text));
        Directory.Delete(_bench.Root, recursive: true);
        _bench.AssertWarm(0, _bench.Expected(text), first, text);
        Assert.Equal(0, first.Statistics.Damaged);
    }

    [Fact]
    public void A_folder_that_cannot_be_written_is_reported_and_the_sequence_goes_on()
    {
        int[] text = _bench.Text(200);
        File.WriteAllText(_bench.Root, "a file where the folder should be");
        using SequenceCache sequence = _bench.Cold(text);
        Assert.False(_bench.Open().Save(sequence, _bench.Logits));
        Assert.Contains("was not written", Assert.Single(_bench.Reports));
        Assert.Equal(_bench.Expected([.. text, 5]), _bench.Feed(sequence, [5]));
        File.Delete(_bench.Root);
    }

    [Fact]
    public void A_checkpoint_at_whole_entries_leaves_out_windows_that_are_closed()
    {
        int[] text = _bench.Text(300);
        Store(text.AsSpan(0, 256));
        long aligned = new FileInfo(_bench.Files("*.checkpoint")[0]).Length;
        Directory.Delete(_bench.Root, recursive: true);
        Store(text.AsSpan(0, 257));
        Assert.True(new FileInfo(_bench.Files("*.checkpoint")[0]).Length > aligned + 10_000);
    }

    [Fact]
    public void A_ratio_that_does_not_divide_a_block_is_refused() => Assert.Throws<ArgumentException>(() =>
    {
        using var bench = new StoreBench(TinyModels.OneStream with { CompressRatios = [24, 4, 0] });
        bench.Open();
    });

    private void Store(ReadOnlySpan<int> text)
    {
        using SequenceCache sequence = _bench.Cold(text);
        Assert.True(_bench.Open().Save(sequence, _bench.Logits));
    }

    private sealed class StoppedClock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UtcNow;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
