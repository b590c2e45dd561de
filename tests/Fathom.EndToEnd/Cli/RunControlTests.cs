using System.Text.Json;
using Xunit;

namespace Fathom.EndToEnd.Cli;

/// <summary><c>fathom run</c> with replies that are held to something.</summary>
public sealed class RunControlTests : IDisposable
{
    private const string Schema = """
        {
          "type": "object",
          "properties": {
            "name": { "type": "string", "minLength": 1 },
            "born": { "type": "string", "format": "date" },
            "age": { "type": "integer", "minimum": 1, "maximum": 120 },
            "kind": { "enum": ["king", "servant", null] },
            "children": { "type": "array", "items": { "$ref": "#" } }
          },
          "required": ["name", "age", "kind"],
          "additionalProperties": false
        }
        """;

    private readonly string _file = Path.GetTempFileName();

    public RunControlTests() => File.WriteAllText(_file, Schema);

    public void Dispose() => File.Delete(_file);

    [Theory]
    [InlineData(1, 80)]
    [InlineData(2, 80)]
    [InlineData(3, 150)]
    [InlineData(4, 400)]
    public async Task A_reply_held_to_a_schema_fits_it_whatever_the_seed(int seed, int maxTokens)
    {
        FathomProcess run = await FathomProcess.RunAsync("run", "The king in JSON:\n", "--json-schema", _file, "--seed", $"{seed}", "--max-tokens", $"{maxTokens}");
        Assert.True(run.ExitCode == 0, run.Error);
        AssertFits(JsonElement.Parse(run.Output), run.Output);
        Assert.Contains("ended by stop", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_guesses_it_is_the_same_reply()
    {
        string[] arguments = ["run", "A servant:\n", "--json-schema", _file, "--seed", "5", "--max-tokens", "100", "--no-cache"];
        FathomProcess plain = await FathomProcess.RunAsync(arguments);
        FathomProcess speculative = await FathomProcess.RunAsync([.. arguments, "--speculative"]);
        Assert.True(speculative.ExitCode == 0, speculative.Error);
        Assert.Equal(plain.Output, speculative.Output);
    }

    [Fact]
    public async Task Reasoning_ends_at_its_budget_and_the_answer_fits_the_schema()
    {
        FathomProcess run = await FathomProcess.RunAsync(
            "run", "Who was he?<think>", "--json-schema", _file, "--thinking-budget", "12", "--seed", "3", "--max-tokens", "150", "--json");
        Assert.True(run.ExitCode == 0, run.Error);
        string text = JsonElement.Parse(run.Output).GetProperty("text").GetString()!;      // the property is a string
        string[] parts = text.Split("</think>");
        Assert.True(parts.Length == 2, text);
        AssertFits(JsonElement.Parse(parts[1]), parts[1]);
    }

    [Fact]
    public async Task A_stop_string_ends_the_text_and_is_not_printed()
    {
        string[] arguments = ["run", "And the king said", "--seed", "7", "--max-tokens", "60", "--json"];
        FathomProcess whole = await FathomProcess.RunAsync(arguments);
        string text = JsonElement.Parse(whole.Output).GetProperty("text").GetString()!;    // the property is a string
        string stop = text.Substring(text.Length / 2, 5);
        FathomProcess stopped = await FathomProcess.RunAsync([.. arguments, "--stop", "no such text", "--stop", stop]);
        JsonElement json = JsonElement.Parse(stopped.Output);
        Assert.Equal(text[..text.IndexOf(stop, StringComparison.Ordinal)], json.GetProperty("text").GetString());
        Assert.Equal("stop", json.GetProperty("finish").GetString());
    }

    [Theory]
    [InlineData(2, "--thinking-budget", "run", "text", "--thinking-budget", "5")]
    [InlineData(2, "stop[0]", "run", "text", "--stop", "")]
    [InlineData(1, "no-such-file", "run", "text", "--json-schema", "no-such-file")]
    [InlineData(1, "max-tokens", "run", "text", "--json-schema", "SCHEMA", "--max-tokens", "10")]
    [InlineData(1, "oneOf", "run", "text", "--json-schema", "{\"oneOf\":[]}")]
    [InlineData(1, "no JSON", "run", "text", "--json-schema", "{\"type\":")]
    public async Task Says_what_is_wrong(int exitCode, string telling, params string[] arguments)
    {
        if (arguments is [.., "--json-schema", ['{', ..] schema])
        {
            await File.WriteAllTextAsync(_file, schema, TestContext.Current.CancellationToken);
            arguments[^1] = _file;
        }

        FathomProcess run = await FathomProcess.RunAsync([.. arguments.Select(argument => argument == "SCHEMA" ? _file : argument)]);
        Assert.Contains(telling, run.Error, StringComparison.Ordinal);
        Assert.Equal(exitCode, run.ExitCode);
        Assert.Empty(run.Output);
    }

    private static void AssertFits(JsonElement person, string text)
    {
        Assert.NotEmpty(person.GetProperty("name").GetString()!);                          // the property is a string
        Assert.InRange(person.GetProperty("age").GetInt32(), 1, 120);
        Assert.Contains(person.GetProperty("kind").ToString(), new[] { "king", "servant", "" });
        Assert.True(!person.TryGetProperty("born", out JsonElement born) || DateOnly.TryParseExact(born.GetString(), "yyyy-MM-dd", out _), text);
        Assert.True(person.EnumerateObject().All(property => property.Name is "name" or "born" or "age" or "kind" or "children"), text);
        if (person.TryGetProperty("children", out JsonElement children))
        {
            foreach (JsonElement child in children.EnumerateArray())
                AssertFits(child, text);
        }
    }
}
