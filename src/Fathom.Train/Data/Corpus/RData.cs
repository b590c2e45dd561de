using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Fathom.Train.Data.Corpus;

/// <summary>Reads the character vectors of an R package's lazy-load data (Rdata.rdx, Rdata.rdb): as much of R's XDR serialisation as those use.</summary>
internal static class RData
{
    /// <summary>The lines of each vector, by name.</summary>
    /// <param name="folder">the package's data folder</param>
    /// <exception cref="InvalidDataException">The files hold what this reader does not know.</exception>
    public static Dictionary<string, string[]> CharacterVectors(string folder)
    {
        using var gzip = new GZipStream(File.OpenRead(Path.Combine(folder, "Rdata.rdx")), CompressionMode.Decompress);
        using var index = new MemoryStream();
        gzip.CopyTo(index);
        byte[] data = File.ReadAllBytes(Path.Combine(folder, "Rdata.rdb"));

        // list(variables = list(emma = c(offset, length), …), references, compressed)
        var variables = (RList)((RList)new RReader(index.ToArray()).Read()!).Items[0]!;
        var vectors = new Dictionary<string, string[]>();
        for (int i = 0; i < variables.Items.Length; i++)
        {
            var place = (int[])variables.Items[i]!;
            vectors.Add(variables.Names[i], Lines(data.AsSpan(place[0], place[1])));
        }

        return vectors;
    }

    /// <summary>Four bytes of length, then a zlib stream.</summary>
    private static string[] Lines(ReadOnlySpan<byte> segment)
    {
        var plain = new byte[BinaryPrimitives.ReadInt32BigEndian(segment)];
        using var zlib = new ZLibStream(new MemoryStream(segment[4..].ToArray()), CompressionMode.Decompress);
        zlib.ReadExactly(plain);
        object? value = new RReader(plain).Read();
        return value is RList list ? [.. list.Items.Select(line => line as string ?? "")]
            : throw new InvalidDataException("An R vector holds no strings; expected the package janeaustenr 1.0.0.");
    }

    private sealed record RList(object?[] Items)
    {
        public string[] Names { get; init; } = [];
    }

    /// <summary>The items of R's serialisation format, version 2 or 3, big-endian.</summary>
    private sealed class RReader(byte[] data)
    {
        private const int Attributes = 0x200;
        private const int Tagged = 0x400;

        private readonly List<object?> _symbols = [];
        private int _at;

        public object? Read()
        {
            if (data is not [(byte)'X', (byte)'\n', ..])
                throw new InvalidDataException("R data does not begin with 'X'; expected the binary XDR form.");
            _at = 2;
            int version = Int();
            _at += 8;                               // the writer's version and the oldest reader's
            if (version == 3)
                Characters();                       // the native encoding's name
            return Item();
        }

        private object? Item()
        {
            int flags = Int();
            int type = flags & 0xFF;
            switch (type)
            {
                case 0xFE:                          // NULL
                    return null;
                case 0xFF:                          // an earlier symbol
                    return _symbols[((flags >> 8) != 0 ? flags >> 8 : Int()) - 1];
                case 1:
                    object? symbol = Item();
                    _symbols.Add(symbol);
                    return symbol;
                case 2:
                    return Pairs(flags);
                case 9:
                    return Characters();
                default:
                    return Vector(type, (flags & Attributes) != 0);
            }
        }

        private string? Characters()
        {
            int length = Int();
            if (length < 0)
                return null;                        // NA
            _at += length;
            return Encoding.UTF8.GetString(data, _at - length, length);
        }

        /// <summary>A list of tag and value; the rest of the list follows its first pair.</summary>
        private List<(string? Tag, object? Value)> Pairs(int flags)
        {
            if ((flags & Attributes) != 0)
                Item();
            var pairs = new List<(string?, object?)> { ((flags & Tagged) != 0 ? Item() as string : null, Item()) };
            if (Item() is List<(string?, object?)> rest)
                pairs.AddRange(rest);
            return pairs;
        }

        private object Vector(int type, bool hasAttributes)
        {
            int length = Int();
            if (type is 10 or 13)
            {
                var numbers = new int[length];
                for (int i = 0; i < length; i++)
                    numbers[i] = Int();
                return numbers;
            }

            if (type is not (16 or 19))
                throw new InvalidDataException($"R data holds an item of type {type}; expected strings, lists and whole numbers only.");
            var items = new object?[length];
            for (int i = 0; i < length; i++)
                items[i] = Item();
            var attributes = hasAttributes ? Item() as List<(string? Tag, object? Value)> : null;
            object? names = attributes?.Find(pair => pair.Tag == "names").Value;
            return new RList(items) { Names = names is RList list ? [.. list.Items.Select(name => name as string ?? "")] : [] };
        }

        private int Int()
        {
            _at += 4;
            return BinaryPrimitives.ReadInt32BigEndian(data.AsSpan(_at - 4));
        }
    }
}
