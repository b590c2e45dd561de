using System.Text;
using System.Text.Unicode;

namespace Fathom.Cli;

/// <summary>Text from a file or stdin, which must be UTF-8.</summary>
internal static class TextInput
{
    private const string Stdin = "-";

    /// <summary>The bytes of a file, or of stdin for "-"; a byte order mark is left out.</summary>
    public static byte[] Read(string path)
    {
        byte[] bytes = path == Stdin ? ReadStdin() : File.ReadAllBytes(path);
        RequireUtf8(bytes, path == Stdin ? "stdin" : path);
        return bytes.AsSpan().StartsWith(Encoding.UTF8.Preamble) ? bytes[Encoding.UTF8.Preamble.Length..] : bytes;
    }

    /// <summary>Refuses bytes that are not UTF-8 and says where they begin.</summary>
    public static void RequireUtf8(ReadOnlySpan<byte> bytes, string name)
    {
        if (Utf8.IsValid(bytes))
            return;
        int offset = 0;
        while (Rune.DecodeFromUtf8(bytes[offset..], out _, out int consumed) == System.Buffers.OperationStatus.Done)
            offset += consumed;
        throw new InvalidDataException(
            $"{name}: expected UTF-8, found the byte 0x{bytes[offset]:X2} at offset {offset}, where no character can begin or go on like that. Convert the text to UTF-8 first.");
    }

    private static byte[] ReadStdin()
    {
        using Stream input = Console.OpenStandardInput();
        using var buffer = new MemoryStream();
        input.CopyTo(buffer);
        return buffer.ToArray();
    }
}
