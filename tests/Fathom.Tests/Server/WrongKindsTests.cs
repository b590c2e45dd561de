using System.Text.Json;
using System.Text.RegularExpressions;
using Fathom.Prompts;
using Fathom.Server;
using Fathom.Server.Anthropic;
using Fathom.Server.OpenAi;
using Fathom.Server.Responses;
using Xunit;

namespace Fathom.Tests.Server;

/// <summary>Every field of a body that uses all of them is given a value of every other kind: the request is refused with the place of the field, whatever it is.</summary>
public partial class WrongKindsTests
{
    [Fact]
    public void In_the_messages_dialect() => AssertRefused(
        DialectBodies.Messages, json => MessagesWire.Read(json, ScriptedStream.Nobody, EncoderRevision.April, counts: false),
        // What goes to the model as it is, or is passed over.
        isFree: @"input_schema\.|\.input\.|cache_control\.",
        // What may also be another kind.
        isEither: @"^stop_sequences = ""|^system = ""|\.content = ["" \[]", least: 300);

    [Fact]
    public void In_the_responses_dialect() => AssertRefused(
        DialectBodies.Responses, json => ResponsesWire.Read(json, ScriptedStream.Nobody, EncoderRevision.April),
        isFree: @"parameters\.|^metadata\.|\.summary\[\d\]\.",
        isEither: @"^include = ""|^input = ""|^tool_choice = ""|\.(content|output) = ["" \[]", least: 300);

    [Fact]
    public void In_the_chat_dialect() => AssertRefused(
        DialectBodies.Chat, json => ChatWire.Read(json, ScriptedStream.Nobody, EncoderRevision.April, isBeta: false),
        isFree: @"parameters\.", isEither: @"^stop = ""|^tool_choice = ""|\.content = ["" \[]", least: 250);

    [Fact]
    public void In_a_chat_s_schema() => AssertRefused(
        DialectBodies.ChatSchema, json => ChatWire.Read(json, ScriptedStream.Nobody, EncoderRevision.April, isBeta: false),
        isFree: @"schema\.(name|strict|schema\.)", isEither: @"\.content = ["" \[]", least: 30);

    [Fact]
    public void In_completions() => AssertRefused(
        DialectBodies.Completion, json => CompletionEndpoint.Read(json, ScriptedStream.Nobody), isFree: "^$", isEither: @"^stop = """, least: 90);

    [Theory]
    [InlineData("OpenAi", DialectBodies.Chat, DialectBodies.ChatSchema, DialectBodies.Completion)]
    [InlineData("Responses", DialectBodies.Responses, """ "previous_response_id": "conversation": "prompt": """, "")]       // refused, whatever they hold
    [InlineData("Anthropic", DialectBodies.Messages, "", "")]
    public void The_bodies_have_every_field_that_the_dialect_reads(string folder, string first, string second, string third)
    {
        string source = string.Concat(Directory.EnumerateFiles(TestFiles.Path("src", "Fathom.Server", folder), "*.cs").Select(File.ReadAllText));
        string[] read = [.. FieldRead().Matches(source).Select(match => match.Groups[1].Value).Distinct()];
        Assert.True(read.Length > 20, $"{read.Length} fields");
        string[] missing = [.. read.Where(name => !(first + second + third).Contains($"\"{name}\":", StringComparison.Ordinal))];
        Assert.True(missing.Length == 0, string.Join(", ", missing));
    }

    private static void AssertRefused(string body, Action<JsonElement> read, string isFree, string isEither, int least)
    {
        read(Parse(body));
        int refused = 0;
        foreach (FieldChange change in DialectBodies.Changes(body))
        {
            RequestError? error = Catch(() => read(Parse(change.Body)));
            JsonValueKind kind = change.Value.GetValueKind();
            bool mustFail = change.Kind != kind && !(IsBoolean(change.Kind) && IsBoolean(kind))
                && !Regex.IsMatch(change.Place, isFree) && !Regex.IsMatch(change.ToString(), isEither);
            if (!mustFail)
            {
                continue;
            }
            refused++;
            Assert.True(error is not null, $"{change}: expected a refusal.");
            Assert.True(error.Status == 400 && error.Parameter == change.Place && error.Message.StartsWith(change.Place, StringComparison.Ordinal), $"{change}: {error.Status} {error.Parameter}: {error.Message}");
        }
        Assert.True(refused > least, $"{refused} changes");
    }

    // Anything but a refusal is a defect, whatever was changed.
    private static RequestError? Catch(Action read)
    {
        try
        {
            read();
            return null;
        }
        catch (RequestErrorException e)
        {
            return e.Error;
        }
    }

    private static bool IsBoolean(JsonValueKind kind) => kind is JsonValueKind.True or JsonValueKind.False;

    private static JsonElement Parse(string json) => JsonDocument.Parse(json).RootElement;

    [GeneratedRegex("""\.(?:String|Boolean|Integer|Number|Object|Array|Objects|Strings|Any)\("([a-z_]+)"[,)]""")]
    private static partial Regex FieldRead();
}
