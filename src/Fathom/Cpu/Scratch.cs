using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Fathom.Tensors;

namespace Fathom.Cpu;

/// <summary>Working memory that grows to the largest request and stays: one for each worker, so that nobody shares.</summary>
internal sealed class Scratch : IDisposable
{
    private HostStorage _storage = HostStorage.Allocate(0, MemoryPurpose.Activations);

    /// <summary>At least <paramref name="count"/> singles, contents undefined; the next call may move them.</summary>
    public Span<float> Floats(int count) => MemoryMarshal.Cast<byte, float>(Bytes(count * 4L));

    /// <summary>The memory of a scratch that other threads read; the next call that grows it frees it.</summary>
    public HostStorage Storage(long bytes)
    {
        if (bytes > _storage.Bytes)
        {
            _storage.Dispose();
            // Twice the request at least halves the number of times a slowly growing context reallocates.
            _storage = HostStorage.Allocate(bytes * 2, MemoryPurpose.Activations);
        }
        return _storage;
    }

    /// <summary>Cuts <paramref name="count"/> elements off the front of singles.</summary>
    public static Span<T> Take<T>(scoped ref Span<float> rest, int count) where T : unmanaged
    {
        int floats = ((count * Unsafe.SizeOf<T>()) + sizeof(float) - 1) / sizeof(float);
        Span<T> taken = MemoryMarshal.Cast<float, T>(rest[..floats])[..count];
        rest = rest[floats..];
        return taken;
    }

    /// <inheritdoc/>
    public void Dispose() => _storage.Dispose();

    private Span<byte> Bytes(long bytes) => Storage(bytes).Span(0, checked((int)bytes));
}
