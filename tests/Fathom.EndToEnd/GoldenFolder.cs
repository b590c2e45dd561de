using Fathom.Checkpoints;
using Fathom.Tensors;
using Fathom.Tests;

namespace Fathom.EndToEnd;

/// <summary>Golden cases, as they are and changed.</summary>
internal static class GoldenFolder
{
    public static string Path(string name) => TestFiles.Path("tests", "goldens", name);

    /// <summary>Copies a folder's files, with the tensors of one of them changed; null leaves a tensor out.</summary>
    public static void Copy(string name, TempFolder target, string changedFile, Func<TensorEntry, byte[]?> change) =>
        Copy(name, target, changedFile, change, []);

    /// <summary>Copies a model and adds a tensor that belongs to no weight.</summary>
    public static void CopyWithUnused(string name, TempFolder target, string tensor) =>
        Copy(name, target, Checkpoint.SingleFileName, entry => entry.Bytes.ToArray(), [(new TensorToWrite(tensor, DType.F32, [2]), new byte[8])]);

    private static void Copy(
        string name, TempFolder target, string changedFile, Func<TensorEntry, byte[]?> change, List<(TensorToWrite Tensor, byte[] Bytes)> tensors)
    {
        foreach (string file in Directory.GetFiles(Path(name)).Where(file => System.IO.Path.GetFileName(file) != changedFile))
            File.Copy(file, target.Path(System.IO.Path.GetFileName(file)));

        using Safetensors source = Safetensors.Open(System.IO.Path.Combine(Path(name), changedFile));
        foreach (string tensor in source.Names.Order(StringComparer.Ordinal))
        {
            if (source.TryGet(tensor, out TensorEntry? entry) && change(entry) is byte[] bytes)
                tensors.Add((new TensorToWrite(tensor, entry.DType, entry.Shape), bytes));
        }

        using SafetensorsWriter writer = SafetensorsWriter.Create(target.Path(changedFile), [.. tensors.Select(t => t.Tensor)]);
        foreach ((TensorToWrite tensor, byte[] bytes) in tensors)
            writer.Write(tensor.Name, bytes);
        writer.Complete();
    }
}
