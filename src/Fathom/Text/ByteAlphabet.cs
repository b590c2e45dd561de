namespace Fathom.Text;

/// <summary>
/// The byte-level alphabet in which tokenizer.json spells tokens: each of the 256 bytes is one printable character below U+0144,
/// so that a token of arbitrary bytes can stand in JSON. Printable Latin-1 stands for itself, the other 68 bytes for U+0100 and up.
/// </summary>
internal static class ByteAlphabet
{
    private const int FirstStandIn = 0x100;
    private const short None = -1;

    private static readonly short[] s_byteOfCharacter = MakeTable();

    /// <summary>Writes the bytes that <paramref name="spelling"/> (valid UTF-8) stands for; no more than its own length.</summary>
    /// <returns>False at the first character outside the alphabet; <paramref name="length"/> then is its place in the spelling.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> spelling, Span<byte> bytes, out int length)
    {
        int at = 0;
        length = 0;
        while (at < spelling.Length)
        {
            int character = spelling[at];
            int width = 1;
            if (character >= 0x80)
            {
                // The alphabet ends below U+0800: a longer form can't belong to it.
                if (character >= 0xE0)
                {
                    length = at;
                    return false;
                }

                character = ((character & 0x1F) << 6) | (spelling[at + 1] & 0x3F);
                width = 2;
            }

            short value = character < s_byteOfCharacter.Length ? s_byteOfCharacter[character] : None;
            if (value == None)
            {
                length = at;
                return false;
            }

            bytes[length++] = (byte)value;
            at += width;
        }

        return true;
    }

    private static short[] MakeTable()
    {
        var table = new short[FirstStandIn + 68];
        Array.Fill(table, None);
        int standIn = FirstStandIn;
        for (int value = 0; value < 256; value++)
        {
            bool printable = value is (>= 0x21 and <= 0x7E) or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            table[printable ? value : standIn++] = (short)value;
        }

        return table;
    }
}
