using System.IO.MemoryMappedFiles;
using Fathom.Tensors;

namespace Fathom.Checkpoints;

/// <summary>
/// A file mapped into memory, read-only; pages are read when touched. Owns the mapping. Reading may be done from any thread, disposing
/// by one. The file must not be shortened while it is mapped: the operating system would end the process at the next read.
/// </summary>
public sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile? _map;
    private readonly MemoryMappedViewAccessor? _view;
    private byte* _pointer;

    private MappedFile(string path, long length, MemoryMappedFile? map, MemoryMappedViewAccessor? view)
    {
        Path = path;
        Length = length;
        _map = map;
        _view = view;
        if (view is not null)
        {
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref _pointer);
            _pointer += view.PointerOffset;
        }
    }

    /// <summary>The file's path as it was given.</summary>
    public string Path { get; }

    /// <summary>Size in bytes.</summary>
    public long Length { get; }

    /// <summary>Whether the mapping has been closed.</summary>
    public bool IsDisposed { get; private set; }

    /// <summary>Maps a whole file.</summary>
    /// <exception cref="CheckpointException">the file is missing or can't be read</exception>
    public static MappedFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            return Map(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException($"{path}: expected a file, found none. Check the path and whether the download is complete.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new CheckpointException($"{path}: can't be read: {e.Message} Check that it is a file and that you may read it.", e);
        }
    }

    /// <summary>Bytes <paramref name="offset"/> … <paramref name="offset"/> + <paramref name="count"/>; any alignment.</summary>
    /// <exception cref="CheckpointException">the range leaves the file</exception>
    public ReadOnlySpan<byte> Bytes(long offset, int count)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        if (offset < 0 || count < 0 || offset > Length - count)
        {
            throw new CheckpointException(
                $"{Path}: expected {count} bytes from byte {offset}, found a file of {Length} bytes. The file is truncated; copy or download it again.");
        }
        return new ReadOnlySpan<byte>(_pointer + offset, count);
    }

    /// <summary>The whole file as a storage that keeps this mapping and disposes it.</summary>
    internal HostStorage ToStorage(MemoryPurpose purpose, bool isPaged = false)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        return HostStorage.Borrow(_pointer, Length, purpose, keeper: this, isPaged);
    }

    /// <summary>Closes the mapping; spans and tensors into it must not be used afterwards. A second call does nothing.</summary>
    public void Dispose()
    {
        if (IsDisposed)
        {
            return;
        }
        IsDisposed = true;
        _pointer = null;
        if (_view is not null)
        {
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
        }
        _map?.Dispose();
    }

    private static MappedFile Map(string path)
    {
        // Delete is shared so that a writer may replace the file by a rename; the mapping keeps the old content.
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
        MemoryMappedFile? map = null;
        try
        {
            long length = stream.Length;
            if (length == 0)
            {
                // An empty file can't be mapped.
                stream.Dispose();
                return new MappedFile(path, 0, map: null, view: null);
            }
            map = MemoryMappedFile.CreateFromFile(stream, mapName: null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
            return new MappedFile(path, length, map, map.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read));
        }
        catch
        {
            map?.Dispose();
            stream.Dispose();
            throw;
        }
    }
}
