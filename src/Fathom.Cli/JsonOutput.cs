using System.Text.Json;

namespace Fathom.Cli;

/// <summary>What <c>--json</c> prints: one object and a line end.</summary>
internal static class JsonOutput
{
    public static void Write(Stream output, Action<Utf8JsonWriter> members)
    {
        using (var json = new Utf8JsonWriter(output, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        }
        output.Write("\n"u8);
    }

    /// <summary>The same to stdout.</summary>
    public static void Write(Action<Utf8JsonWriter> members)
    {
        using Stream output = Console.OpenStandardOutput();
        Write(output, members);
    }
}
