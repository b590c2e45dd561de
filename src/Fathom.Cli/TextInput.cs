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
        int bad = FirstInvalid(bytes);
        if (bad >= 0)
            throw new InvalidDataException($"{(path == Stdin ? "stdin" : path)}: expected UTF-8, found byte 0x{bytes[bad]:X2} at offset {bad}, which is none. Convert the text first.");
        return bytes.AsSpan().StartsWith(Encoding.UTF8.Preamble) ? bytes[Encoding.UTF8.Preamble.Length..] : bytes;
    }

    private static byte[] ReadStdin()
    {
        using Stream input = Console.OpenStandardInput();
        using var buffer = new MemoryStream();
        input.CopyTo(buffer);
        return buffer.ToArray();
    }

    private static int FirstInvalid(ReadOnlySpan<byte> bytes)
    {
        if (Utf8.IsValid(bytes))
            return -1;
        int offset = 0;
        while (Rune.DecodeFromUtf8(bytes[offset..], out _, out int consumed) == System.Buffers.OperationStatus.Done)
            offset += consumed;
        return offset;
    }
}
