using System.Text.Json;

namespace Fathom.Checkpoints;

/// <summary>One tensor as a header describes it; <see cref="Begin"/> and <see cref="End"/> count from the end of the header.</summary>
internal readonly record struct TensorRecord(string Name, string Format, long[] Shape, long Begin, long End);

/// <summary>
/// The JSON at the head of a safetensors file: parsed and checked completely, so that afterwards every record lies within the file,
/// is as large as its shape says and overlaps no other.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The format's own limit on the JSON.</summary>
    public const int LengthMax = 100_000_000;

    private readonly Dictionary<string, TensorRecord> _records = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);
    private readonly string _file;

    private SafetensorsHeader(string file) => _file = file;

    /// <summary>The tensors by name.</summary>
    public IReadOnlyDictionary<string, TensorRecord> Records => _records;

    /// <summary>The free-form strings under "__metadata__".</summary>
    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>Parses and checks a header.</summary>
    /// <param name="json">the JSON without its length</param> <param name="dataBytes">what follows it in the file</param>
    /// <param name="file">for messages</param>
    /// <exception cref="CheckpointException">anything is wrong with it</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> json, long dataBytes, string file)
    {
        var header = new SafetensorsHeader(file);
        try
        {
            var reader = new Utf8JsonReader(json);
            header.ReadAll(ref reader);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a string that isn't valid UTF-8 or UTF-16.
            throw new CheckpointException(
                $"{file}: expected a JSON header, found text that isn't JSON: {e.Message} Is this a safetensors file? Download it again.", e);
        }
        header.CheckLayout(dataBytes);
        return header;
    }

    private void ReadAll(ref Utf8JsonReader reader)
    {
        Expect(ref reader, JsonTokenType.StartObject, "the header");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!; // a property name is never null
            if (name == "__metadata__")
            {
                ReadMetadata(ref reader);
                continue;
            }
            TensorRecord record = ReadRecord(ref reader, name);
            CheckSize(record);
            if (!_records.TryAdd(name, record))
            {
                throw Wrong(name, "one entry of this name in the header", "two");
            }
        }
        // Only white space may follow; the reader throws on anything else.
        reader.Read();
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        Expect(ref reader, JsonTokenType.StartObject, "__metadata__");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!; // a property name is never null
            Expect(ref reader, JsonTokenType.String, $"__metadata__.{key}");
            if (!_metadata.TryAdd(key, reader.GetString()!)) // the token is a string
            {
                throw Wrong($"__metadata__.{key}", "one entry of this name", "two");
            }
        }
    }

    private TensorRecord ReadRecord(ref Utf8JsonReader reader, string name)
    {
        string? format = null;
        List<long>? shape = null;
        List<long>? offsets = null;
        Expect(ref reader, JsonTokenType.StartObject, name);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!; // a property name is never null
            switch (key)
            {
                case "dtype" when format is null:
                    Expect(ref reader, JsonTokenType.String, $"{name}.dtype");
                    format = reader.GetString();
                    break;
                case "shape" when shape is null:
                    shape = ReadNumbers(ref reader, $"{name}.shape");
                    break;
                case "data_offsets" when offsets is null:
                    offsets = ReadNumbers(ref reader, $"{name}.data_offsets");
                    break;
                default:
                    throw Wrong(name, "dtype, shape and data_offsets, each once", $"\"{key}\" as well");
            }
        }
        if (format is null || shape is null || offsets is not { Count: 2 })
        {
            throw Wrong(name, "dtype, shape and two data_offsets", "one of them missing or of another length");
        }
        return new TensorRecord(name, format, [.. shape], offsets[0], offsets[1]);
    }

    private List<long> ReadNumbers(ref Utf8JsonReader reader, string what)
    {
        var numbers = new List<long>();
        Expect(ref reader, JsonTokenType.StartArray, what);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long number) || number < 0)
            {
                throw Wrong(what, $"whole numbers from 0 to {long.MaxValue}", Describe(ref reader));
            }
            numbers.Add(number);
        }
        return numbers;
    }

    private void CheckSize(TensorRecord record)
    {
        int size = ElementFormat.Size(record.Format);
        if (size == 0)
        {
            throw Wrong(record.Name, $"a dtype that safetensors defines ({ElementFormat.Readable}, …)", $"\"{record.Format}\"");
        }
        Int128 bytes = size;
        foreach (long dimension in record.Shape)
        {
            bytes *= dimension;
            if (bytes > long.MaxValue)
            {
                throw Wrong(record.Name, $"a shape of at most {long.MaxValue} bytes", $"({string.Join(", ", record.Shape)})");
            }
        }
        if (record.Begin > record.End || record.End - record.Begin != bytes)
        {
            throw Wrong(record.Name, $"{bytes} bytes for {record.Format} ({string.Join(", ", record.Shape)})",
                $"data_offsets [{record.Begin}, {record.End}]");
        }
    }

    // The format allows neither overlaps nor holes: sorted by place, every tensor begins where the one before it ends.
    private void CheckLayout(long dataBytes)
    {
        TensorRecord[] sorted = [.. _records.Values];
        Array.Sort(sorted, static (a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin) : a.End.CompareTo(b.End));
        long end = 0;
        string before = "the header";
        foreach (TensorRecord record in sorted)
        {
            if (record.End > dataBytes)
            {
                throw Wrong(record.Name, $"its data to end by byte {dataBytes} of the file's data",
                    $"data_offsets [{record.Begin}, {record.End}]: the file is truncated");
            }
            if (record.Begin != end)
            {
                throw Wrong(record.Name, $"its data to begin at {end}, where that of {before} ends",
                    $"{record.Begin}: {(record.Begin < end ? "the two overlap" : "bytes between them belong to no tensor")}");
            }
            end = record.End;
            before = record.Name;
        }
        if (end != dataBytes)
        {
            throw new CheckpointException(
                $"{_file}: expected the file to end with the data of {before}, found {dataBytes - end} bytes after it. Download the file again.");
        }
    }

    private void Expect(ref Utf8JsonReader reader, JsonTokenType token, string what)
    {
        if (!reader.Read() || reader.TokenType != token)
        {
            throw Wrong(what, $"a JSON {Name(token)}", Describe(ref reader));
        }
    }

    private static string Name(JsonTokenType token) => token switch
    {
        JsonTokenType.StartObject => "object",
        JsonTokenType.StartArray => "array",
        JsonTokenType.String => "string",
        _ => "number",
    };

    private static string Describe(ref Utf8JsonReader reader) =>
        reader.TokenType is JsonTokenType.Number
            ? System.Text.Encoding.UTF8.GetString(reader.ValueSpan)
            : reader.TokenType is JsonTokenType.None ? "nothing" : $"a JSON {reader.TokenType}";

    private CheckpointException Wrong(string what, string expected, string found) =>
        new($"{what}: expected {expected}, found {found} in the header of {_file}. The file is damaged or not from a safetensors writer; download it again.");
}
