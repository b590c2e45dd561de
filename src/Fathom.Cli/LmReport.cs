using System.Globalization;
using System.Text;
using System.Text.Json;
using Fathom.Devices;
using Fathom.Engine;
using Fathom.Train.Evaluation;

namespace Fathom.Cli;

/// <summary>What a model makes of one text.</summary>
internal sealed record TextScore(string Name, int Bytes, int Tokens, double Bits)
{
    public double BitsPerByte => Bits / Bytes;
}

/// <summary>What models without a network make of the same texts: bits of each.</summary>
internal sealed record LmBaselines(string Compressor, IReadOnlyList<double> CompressorBits, IReadOnlyList<double> NgramBits)
{
    public static LmBaselines Measure(byte[] training, byte[][] texts, bool quiet, CancellationToken cancellation)
    {
        if (!quiet)
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"baselines: counting and compressing {training.Length:N0} bytes"));
        var ngram = new NgramModel(training);
        cancellation.ThrowIfCancellationRequested();
        var compression = new CompressionBaseline(training);
        var compressed = new List<double>();
        foreach (byte[] text in texts)
        {
            cancellation.ThrowIfCancellationRequested();
            compressed.Add(compression.Bits(text));
        }

        return new LmBaselines(compression.Name, compressed, [.. texts.Select(text => ngram.Bits(text))]);
    }
}

/// <summary>How far the predictions were from those of a numeric mode.</summary>
internal sealed record Divergence(NumericMode Reference, TextDivergence Measured)
{
    public string Name => Arguments.NameOf(Reference);
}

/// <summary>What <c>fathom eval lm</c> prints.</summary>
internal sealed class LmReport(
    IReadOnlyList<TextScore> scores, int? windows, LmBaselines? baselines, Divergence? against, IReadOnlyList<ExpertLoad> experts)
{
    private readonly int _bytes = scores.Sum(score => score.Bytes);
    private readonly int _tokens = scores.Sum(score => score.Tokens);
    private readonly double _bitsPerByte = scores.Sum(score => score.Bits) / scores.Sum(score => score.Bytes);

    public string Text()
    {
        var text = new StringBuilder();
        Line(text, $"{_bitsPerByte:F4} bits per byte ({_tokens:N0} tokens, {_bytes:N0} bytes{(windows is { } n ? $", windows of {n:N0} tokens" : "")})");
        if (against is { Measured: var measured })
        {
            Line(text, $"{measured.MeanKl:F6} nats KL divergence from {against.Name}, mean of all tokens; the largest {measured.LargestKl:F4}");
            Line(text, $"{measured.TopAgreement:P2} of tokens: the likeliest is the same; {against.Name} has {ReferenceBitsPerByte(measured):F4} bits per byte");
        }

        if (baselines is not null)
        {
            Line(text, $"{baselines.NgramBits.Sum() / _bytes:F4} byte n-gram, {NgramModel.ContextBytes} bytes of context, interpolated Witten-Bell, trained on the training text");
            Line(text, $"{baselines.CompressorBits.Sum() / _bytes:F4} {baselines.Compressor} with the training text in front");
        }

        for (int i = 0; i < scores.Count && scores.Count > 1; i++)
        {
            string others = baselines is null ? "" : string.Create(
                CultureInfo.InvariantCulture, $", n-gram {baselines.NgramBits[i] / scores[i].Bytes:F4}, {baselines.Compressor} {baselines.CompressorBits[i] / scores[i].Bytes:F4}");
            Line(text, $"  {scores[i].Name}: {scores[i].BitsPerByte:F4} ({scores[i].Tokens:N0} tokens, {scores[i].Bytes:N0} bytes){others}");
        }

        ExpertLoad[] scored = [.. experts.Where(layer => !layer.IsHashed)];
        if (scored.Length > 0)
            Line(text, $"experts: {scored.Min(layer => layer.Least):F2} to {scored.Max(layer => layer.Most):F2} times an even share, layers routed by token not counted");
        return text.ToString();
    }

    public void Write(Utf8JsonWriter json)
    {
        Write(json, _bitsPerByte, _tokens, _bytes);
        if (windows is { } tokens)
            json.WriteNumber("windows", tokens);
        if (baselines is not null)
            WriteBaselines(json, baselines.NgramBits.Sum() / _bytes, baselines.CompressorBits.Sum() / _bytes);
        if (against is not null)
            WriteAgainst(json, against);
        WriteExperts(json);
        json.WriteStartArray("texts");
        for (int i = 0; i < scores.Count; i++)
        {
            json.WriteStartObject();
            json.WriteString("text", scores[i].Name);
            Write(json, scores[i].BitsPerByte, scores[i].Tokens, scores[i].Bytes);
            if (baselines is not null)
                WriteBaselines(json, baselines.NgramBits[i] / scores[i].Bytes, baselines.CompressorBits[i] / scores[i].Bytes);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private double ReferenceBitsPerByte(TextDivergence measured) => measured.ReferenceNats / Math.Log(2) / _bytes;

    private void WriteAgainst(Utf8JsonWriter json, Divergence divergence)
    {
        json.WriteStartObject("against");
        json.WriteString("numeric", divergence.Name);
        json.WriteNumber("meanKl", divergence.Measured.MeanKl);
        json.WriteNumber("largestKl", divergence.Measured.LargestKl);
        json.WriteNumber("topAgreement", divergence.Measured.TopAgreement);
        json.WriteNumber("bitsPerByte", ReferenceBitsPerByte(divergence.Measured));
        json.WriteEndObject();
    }

    private void WriteExperts(Utf8JsonWriter json)
    {
        json.WriteStartArray("experts");
        foreach (ExpertLoad layer in experts)
        {
            json.WriteStartObject();
            json.WriteNumber("layer", layer.Layer);
            json.WriteBoolean("routedByToken", layer.IsHashed);
            json.WriteNumber("least", layer.Least);
            json.WriteNumber("most", layer.Most);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private void WriteBaselines(Utf8JsonWriter json, double ngram, double compressed)
    {
        json.WriteStartObject("baselines");
        json.WriteNumber("ngram", ngram);
        json.WriteNumber("compressed", compressed);
        json.WriteString("compressor", baselines!.Compressor);                            // called with baselines only
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, double bitsPerByte, int tokens, int bytes)
    {
        json.WriteNumber("bitsPerByte", bitsPerByte);
        json.WriteNumber("tokens", tokens);
        json.WriteNumber("bytes", bytes);
    }

    private static void Line(StringBuilder text, FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
}
