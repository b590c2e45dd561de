using System.Text;
using System.Text.Json;
using Fathom.Serving;

namespace Fathom.Server;

/// <summary>Log-probabilities as both of OpenAI's dialects write them. Stateless.</summary>
internal static class ScoreJson
{
    /// <summary>An array of tokens, each with the likeliest in its place.</summary>
    public static void Write(Utf8JsonWriter json, string name, IReadOnlyList<TokenScore> scores)
    {
        json.WriteStartArray(name);
        foreach (TokenScore score in scores)
        {
            json.WriteStartObject();
            WriteScore(json, score);
            json.WriteStartArray("top_logprobs");
            foreach (TokenScore top in score.Top)
            {
                json.WriteStartObject();
                WriteScore(json, top);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteScore(Utf8JsonWriter json, TokenScore score)
    {
        json.WriteString("token", Encoding.UTF8.GetString(score.Bytes.Span));
        json.WriteNumber("logprob", score.LogProbability);
        json.WriteStartArray("bytes");
        foreach (byte value in score.Bytes.Span)
        {
            json.WriteNumberValue(value);
        }
        json.WriteEndArray();
    }
}
