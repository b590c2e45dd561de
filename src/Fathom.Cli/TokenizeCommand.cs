using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Fathom.Engine;
using Fathom.Text;

namespace Fathom.Cli;

/// <summary><c>fathom tokenize</c>: text to token ids and back, byte for byte.</summary>
internal static class TokenizeCommand
{
    public static Command Create()
    {
        Option<string?> model = Arguments.Model();
        model.Description = "A folder with tokenizer.json, or the file itself. Default: the bundled model.";
        var decode = new Option<bool>("--decode") { Description = "Read a JSON array of token ids and write their bytes." };
        Option<bool> json = Arguments.Json();
        json.Description = "Without effect: token ids are printed as JSON in any case.";
        Option<bool> quiet = Arguments.Quiet();

        var command = new CommandWithExample(
            "tokenize",
            "Reads text on stdin, byte for byte, and prints its token ids as one JSON array. No special token is added; those that the text spells are recognised.",
            "fathom tokenize < letter.txt")
        {
            model, decode, json, quiet,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            bool decoding = parsed.GetValue(decode);
            if (decoding && parsed.GetValue(json))
                throw new UsageException("Expected --decode or --json, found both: bytes that are no text have no JSON form.");
            Tokenizer tokenizer = Tokenizer.Load(parsed.GetValue(model) ?? Arguments.BundledModel);
            if (!Console.IsInputRedirected && !parsed.GetValue(quiet))
                Console.Error.WriteLine($"Reading {(decoding ? "token ids" : "text")} from the terminal; {(OperatingSystem.IsWindows() ? "Ctrl-Z and Enter" : "Ctrl-D")} ends it.");
            byte[] input = await ReadInputAsync(cancellation).ConfigureAwait(false);
            byte[] output = decoding ? Decode(tokenizer, input) : Encode(tokenizer, input);
            await using Stream stdout = Console.OpenStandardOutput();
            await stdout.WriteAsync(output, cancellation).ConfigureAwait(false);
            return ExitCode.Success;
        });
        return command;
    }

    private static async Task<byte[]> ReadInputAsync(CancellationToken cancellation)
    {
        await using Stream stdin = Console.OpenStandardInput();
        var input = new MemoryStream();
        await stdin.CopyToAsync(input, cancellation).WaitAsync(cancellation).ConfigureAwait(false);
        return input.ToArray();
    }

    private static byte[] Encode(Tokenizer tokenizer, byte[] text)
    {
        TextInput.RequireUtf8(text, "stdin");
        int[] ids = tokenizer.Encode(text, recognizeAddedTokens: true);
        return Encoding.ASCII.GetBytes($"[{string.Join(',', ids)}]\n");
    }

    private static byte[] Decode(Tokenizer tokenizer, byte[] json)
    {
        int[] ids = ReadIds(json);
        for (int i = 0; i < ids.Length; i++)
        {
            if (ids[i] < 0 || ids[i] >= tokenizer.VocabularySize)
                throw new RequestException(
                    $"stdin: expected token ids from 0 to {tokenizer.VocabularySize - 1}, found {ids[i]} at index {i}. Do the ids belong to this tokenizer?");
        }
        return tokenizer.DecodeBytes(ids);
    }

    private static int[] ReadIds(byte[] json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind != JsonValueKind.Array)
                throw NoIds($"a JSON {document.RootElement.ValueKind}");
            return [.. document.RootElement.EnumerateArray().Select((id, index) => id.ValueKind == JsonValueKind.Number && id.TryGetInt32(out int number)
                ? number
                : throw NoIds($"{Shortened(id.GetRawText())} at index {index}"))];
        }
        catch (JsonException e)
        {
            string place = json.Length == 0 ? "nothing" : string.Create(CultureInfo.InvariantCulture, $"no JSON in line {e.LineNumber + 1} at byte {e.BytePositionInLine}");
            throw new RequestException(NoIds(place).Message, e);
        }
    }

    private static RequestException NoIds(string found) => new($"stdin: expected one JSON array of token ids such as [1,2,3], found {found}.");

    private static string Shortened(string text) => text.Length <= 40 ? text : $"{text.AsSpan(0, 40)}…";
}
