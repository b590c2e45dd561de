using Fathom.Checkpoints;

namespace Fathom.Quantization;

/// <summary>
/// A folder that appears under its name only when it is complete. Until then it is built beside it under a name of its own, which disposal
/// removes.
/// </summary>
internal sealed class NewFolder : IDisposable
{
    private readonly string _target;

    private NewFolder(string target, string path)
    {
        _target = target;
        Path = path;
    }

    /// <summary>Where to write for now.</summary>
    public string Path { get; }

    /// <exception cref="CheckpointException">the target is a file or a folder with something in it, or nothing can be made there</exception>
    public static NewFolder Create(string target)
    {
        CheckFree(target);
        string full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(target)), path = $"{full}.{Guid.NewGuid():N}.partial";
        SafetensorsWriter.Guard(target, () => Directory.CreateDirectory(path));
        return new NewFolder(full, path);
    }

    /// <summary>Refuses a target that holds something.</summary>
    /// <exception cref="CheckpointException">it is a file or a folder with something in it</exception>
    public static void CheckFree(string target)
    {
        string full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(target));
        if (File.Exists(full) || (Directory.Exists(full) && Directory.EnumerateFileSystemEntries(full).Any()))
        {
            throw new CheckpointException(
                $"{target}: expected a new or empty folder to write to, found {(File.Exists(full) ? "a file" : "one that holds something")}. " +
                "Choose another name; nothing is overwritten.");
        }
    }

    /// <summary>Copies a file into the folder.</summary>
    public void Copy(string file) => SafetensorsWriter.Guard(_target, () =>
    {
        File.Copy(file, In(System.IO.Path.GetFileName(file)));
        return true;
    });

    /// <summary>Writes a small file into the folder.</summary>
    public void Write(string name, byte[] content) => SafetensorsWriter.Guard(_target, () =>
    {
        File.WriteAllBytes(In(name), content);
        return true;
    });

    /// <summary>Gives the folder its name.</summary>
    /// <exception cref="CheckpointException">meanwhile something else has that name</exception>
    public void Complete() => SafetensorsWriter.Guard(_target, () =>
    {
        if (Directory.Exists(_target))
        {
            Directory.Delete(_target);                                                      // fails unless it is empty
        }
        Directory.Move(Path, _target);
        return true;
    });

    /// <summary>Removes what was not completed.</summary>
    public void Dispose()
    {
        if (Directory.Exists(Path))
        {
            Directory.Delete(Path, recursive: true);
        }
    }

    private string In(string name) => System.IO.Path.Combine(Path, name);
}
