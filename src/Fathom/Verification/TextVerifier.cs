using System.Text.Json;
using Fathom.Checkpoints;
using Fathom.Prompts;
using Fathom.Text;

namespace Fathom.Verification;

/// <summary>
/// Compares prompts, replies and token ids with golden texts: a JSON file whose cases are conversations with their prompt or error (chat.json),
/// replies with what they say (replies.json), or texts with their ids (tokenizer.json).
/// </summary>
public sealed class TextVerifier
{
    private readonly Tokenizer _tokenizer;
    private readonly bool _comparesIds;
    private readonly List<Check> _checks = [];

    private TextVerifier(Tokenizer tokenizer, bool comparesIds)
    {
        _tokenizer = tokenizer;
        _comparesIds = comparesIds;
    }

    /// <summary>Compares every case of a file.</summary>
    /// <param name="file">the golden texts</param>
    /// <param name="tokenizer">turns texts and prompts into ids</param>
    /// <param name="note">is told a sentence if ids aren't compared, because they are of another vocabulary</param>
    /// <returns>a check or two per case; the error is 1 where a text differs and the position the first character or token that does</returns>
    /// <exception cref="CheckpointException">the file is missing or malformed, or has nothing that this tokenizer can be compared with</exception>
    public static IReadOnlyList<Check> Run(string file, Tokenizer tokenizer, Action<string>? note = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        string place = "the file";
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(file));
            (string Name, JsonElement Json)[] cases = [.. Cases(document.RootElement)];
            int largest = cases.Where(item => item.Json.TryGetProperty("ids", out _)).Select(item => Ids(item.Json).Append(-1).Max()).Append(-1).Max();
            bool fits = largest < tokenizer.VocabularySize;
            if (!fits)
            {
                string problem = $"token ids up to {largest} are of another vocabulary than this tokenizer's {tokenizer.VocabularySize} tokens";
                if (cases.All(item => item.Json.TryGetProperty("text", out _)))
                {
                    throw new CheckpointException($"{file}: {problem}. Give the tokenizer they were made with: --model DIR.");
                }
                note?.Invoke($"Not compared: {problem}. With --model DIR of their tokenizer they are.");
            }
            var verifier = new TextVerifier(tokenizer, fits);
            foreach ((string name, JsonElement json) in cases)
            {
                place = name;
                verifier.Compare(name, json);
            }
            return verifier._checks.Count > 0 ? verifier._checks : throw new FormatException("no cases.");
        }
        catch (Exception e) when (e is IOException or JsonException or KeyNotFoundException or InvalidOperationException or FormatException or PromptException)
        {
            throw new CheckpointException(
                $"{file}: expected golden conversations, replies or tokenised texts, in {place} found: {e.Message} Is this a file of the goldens' form?", e);
        }
    }

    private static IEnumerable<(string Name, JsonElement Json)> Cases(JsonElement root)
    {
        int count = 0;
        foreach (JsonElement item in root.GetProperty("cases").EnumerateArray())
        {
            yield return (item.TryGetProperty("name", out JsonElement name) ? $"{name}" : $"text {count}", item);
            count++;
        }
        if (root.TryGetProperty("fim", out JsonElement middles))
        {
            foreach (JsonElement item in middles.EnumerateArray())
            {
                yield return ($"{item.GetProperty("name")}", item);
            }
        }
    }

    private void Compare(string name, JsonElement golden)
    {
        if (golden.TryGetProperty("text", out JsonElement text))
        {
            int[] ids = _tokenizer.Encode(String(text), recognizeAddedTokens: true);
            Same($"{name} ids", Ids(golden), ids);
            Same($"{name} decoded", String(text), _tokenizer.Decode(Ids(golden)));
            return;
        }
        JsonElement input = golden.GetProperty("input");
        if (input.TryGetProperty("text", out _))
        {
            CompareReply(name, golden, input);
        }
        else if (input.TryGetProperty("prefix", out JsonElement prefix))
        {
            bool bos = !input.TryGetProperty("bos", out JsonElement flag) || flag.GetBoolean();
            ComparePrompt(name, golden, () => PromptEncoder.FillInTheMiddle(String(prefix), String(input.GetProperty("suffix")), bos));
        }
        else
        {
            ComparePrompt(name, golden, () => GoldenConversation.Encode(golden));
        }
    }

    private void ComparePrompt(string name, JsonElement golden, Func<RenderedPrompt> render)
    {
        RenderedPrompt? prompt = Unless<RenderedPrompt>(render);
        if (IsError(golden))
        {
            Note($"{name} refused", prompt is null);
            return;
        }
        if (prompt is null)
        {
            Note($"{name} prompt", holds: false);
            return;
        }
        Same($"{name} prompt", String(golden.GetProperty("prompt")), prompt.Text);
        if (_comparesIds && golden.TryGetProperty("ids", out _))
        {
            var ids = new List<int>();
            foreach (PromptPiece piece in prompt.Pieces(TokenMatching.Everywhere))
            {
                _tokenizer.Append(piece.Text, piece.RecognizeAddedTokens, ids);
            }
            Same($"{name} ids", Ids(golden), ids);
        }
    }

    private void CompareReply(string name, JsonElement golden, JsonElement input)
    {
        ThinkingMode thinking = PromptNames.ParseThinking(String(input.GetProperty("thinking_mode")));
        Reply? reply = Unless(() => Reply.Parse(String(input.GetProperty("text")), thinking));
        if (IsError(golden))
        {
            Note($"{name} refused", reply is null);
            return;
        }
        JsonElement result = golden.GetProperty("result");
        if (reply is null)
        {
            Note($"{name} reply", holds: false);
            return;
        }
        Same($"{name} reasoning", String(result.GetProperty("reasoning_content")), reply.Reasoning);
        Same($"{name} content", String(result.GetProperty("content")), reply.Content);
        IEnumerable<ToolCall> calls = result.GetProperty("tool_calls").EnumerateArray().Select(call => call.GetProperty("function"))
            .Select(function => new ToolCall(null, String(function.GetProperty("name")), String(function.GetProperty("arguments"))));
        Same($"{name} calls", [.. calls], reply.ToolCalls);
    }

    // The value, or null where the encoder or the parser refuses.
    private static T? Unless<T>(Func<T> make)
        where T : class
    {
        try
        {
            return make();
        }
        catch (PromptException)
        {
            return null;
        }
    }

    private static bool IsError(JsonElement golden) => golden.TryGetProperty("error", out _);

    private void Same(string name, string expected, string found) => Same<char>(name, expected.ToCharArray(), found.ToCharArray());

    private void Same<T>(string name, IReadOnlyList<T> expected, IReadOnlyList<T> found)
    {
        int same = 0;
        while (same < expected.Count && same < found.Count && EqualityComparer<T>.Default.Equals(expected[same], found[same]))
        {
            same++;
        }
        bool holds = same == expected.Count && same == found.Count;
        _checks.Add(new Check(name, holds ? 0 : 1, 0, holds ? -1 : same, -1));
    }

    private void Note(string name, bool holds) => _checks.Add(new Check(name, holds ? 0 : 1, 0, -1, -1));

    private static string String(JsonElement value) => value.GetString() ?? throw new FormatException("expected a string, found null.");

    private static int[] Ids(JsonElement golden) => [.. golden.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];
}
