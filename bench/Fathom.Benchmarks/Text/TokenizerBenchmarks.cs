using BenchmarkDotNet.Attributes;
using Fathom.Text;

namespace Fathom.Benchmarks.Text;

/// <summary>English prose under the V4 vocabulary; bytes per second are the text's length over the mean.</summary>
[MemoryDiagnoser]
public class TokenizerBenchmarks
{
    private const int TextBytes = 4 << 20;

    private readonly List<int> _ids = new(TextBytes);
    private Tokenizer _tokenizer = null!;       // set before each run
    private string _vocabularyFile = "";
    private byte[] _text = [];
    private int[] _tokens = [];

    /// <summary>Reads the vocabulary and repeats the bundled model's held-out text.</summary>
    [GlobalSetup]
    public void Setup()
    {
        string root = FindRoot();
        _vocabularyFile = Path.Combine(root, "tests", "data", "tokenizer", "tokenizer.json");
        _tokenizer = Tokenizer.Load(_vocabularyFile);
        byte[] once = File.ReadAllBytes(Path.Combine(root, "models", "fathom-nano", "heldout.txt"));
        _text = new byte[TextBytes];
        for (int at = 0; at < _text.Length; at += once.Length)
            once.AsSpan(0, Math.Min(once.Length, _text.Length - at)).CopyTo(_text.AsSpan(at));
        _tokens = _tokenizer.Encode(_text, recognizeAddedTokens: false);
    }

    /// <summary>129,280 tokens from tokenizer.json.</summary>
    [Benchmark]
    public Tokenizer Load() => Tokenizer.Load(_vocabularyFile);

    /// <summary>4 MiB of text that may not steer the model.</summary>
    [Benchmark]
    public int Encode() => Append(recognizeAddedTokens: false);

    /// <summary>4 MiB of text in which added tokens are looked for.</summary>
    [Benchmark]
    public int EncodeWithAddedTokens() => Append(recognizeAddedTokens: true);

    /// <summary>The splitting alone.</summary>
    [Benchmark]
    public int Split()
    {
        int pieces = 0;
        var splitter = new PreTokenizer(_text);
        while (splitter.MoveNext())
            pieces++;
        return pieces;
    }

    /// <summary>The tokens of 4 MiB back to bytes.</summary>
    [Benchmark]
    public int Decode() => _tokenizer.DecodeBytes(_tokens).Length;

    /// <summary>The same, token by token, as a server streams it.</summary>
    [Benchmark]
    public int Detokenize()
    {
        int length = 0;
        var detokenizer = new Detokenizer(_tokenizer);
        foreach (int id in _tokens)
            length += detokenizer.Push(id).Length;
        return length + detokenizer.Flush().Length;
    }

    private int Append(bool recognizeAddedTokens)
    {
        _ids.Clear();
        _tokenizer.Append(_text, recognizeAddedTokens, _ids);
        return _ids.Count;
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Fathom.slnx")))
                return folder.FullName;
        }

        throw new InvalidOperationException($"No folder above {AppContext.BaseDirectory} holds Fathom.slnx.");
    }
}
