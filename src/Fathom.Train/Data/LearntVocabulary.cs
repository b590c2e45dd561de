using System.Text;
using Fathom.Prompts;

namespace Fathom.Train.Data;

/// <summary>The tokens and merges that <see cref="BpeTrainer"/> has learnt. Ids of the ordinary tokens are places in <see cref="Tokens"/>.</summary>
public sealed class LearntVocabulary
{
    /// <summary>Id of the byte 0: BOS, EOS and PAD come before.</summary>
    internal const int FirstByte = 3;

    internal const string Pad = "<｜▁pad▁｜>";

    private const int Digits = 10;

    private readonly List<byte[]> _tokens = [];
    private readonly List<(int Left, int Right)> _merges = [];
    private readonly Dictionary<string, int> _ids = [];

    internal LearntVocabulary()
    {
        foreach (string special in (string[])[ProtocolTokens.BeginOfSentence, ProtocolTokens.EndOfSentence, Pad])
            _tokens.Add(Encoding.UTF8.GetBytes(special));
        for (int value = 0; value < 256; value++)
            AddToken([(byte)value]);
        AddDigitGroups();
    }

    /// <summary>V4's tokens that stand at the end of the vocabulary, in the order of its ids.</summary>
    public static IReadOnlyList<string> ControlTokens { get; } =
    [
        ProtocolTokens.FimHole, ProtocolTokens.FimBegin, ProtocolTokens.FimEnd, ProtocolTokens.User, ProtocolTokens.Assistant,
        ProtocolTokens.ThinkOpen, ProtocolTokens.ThinkClose, ProtocolTokens.Dsml, ProtocolTokens.LatestReminder, ProtocolTokens.ActionTask,
        ProtocolTokens.QueryTask, ProtocolTokens.AuthorityTask, ProtocolTokens.DomainTask, ProtocolTokens.TitleTask, ProtocolTokens.ReadUrlTask,
    ];

    /// <summary>Bytes of all tokens but the control tokens at the end.</summary>
    public IReadOnlyList<byte[]> Tokens => _tokens;

    /// <summary>Pairs of ids by rank.</summary>
    public IReadOnlyList<(int Left, int Right)> Merges => _merges;

    /// <summary>Adds a merge, and its token unless other merges make the same bytes; returns the token's id.</summary>
    internal int AddMerge(int left, int right)
    {
        _merges.Add((left, right));
        byte[] bytes = [.. _tokens[left], .. _tokens[right]];
        return _ids.TryGetValue(Encoding.Latin1.GetString(bytes), out int id) ? id : AddToken(bytes);
    }

    private int AddToken(byte[] bytes)
    {
        int id = _tokens.Count;
        _ids.Add(Encoding.Latin1.GetString(bytes), id);
        _tokens.Add(bytes);
        return id;
    }

    /// <summary>
    /// All groups of two and three digits as tokens. In «abc» the pair with the lower rank merges first, that is the smaller number, the left
    /// one of equals; the merge to the whole group starts from there.
    /// </summary>
    private void AddDigitGroups()
    {
        int Digit(int value) => FirstByte + '0' + value;
        var pairs = new int[Digits * Digits];
        for (int value = 0; value < pairs.Length; value++)
            pairs[value] = AddMerge(Digit(value / Digits), Digit(value % Digits));
        for (int value = 0; value < 1000; value++)
        {
            int left = value / Digits;
            int right = value % (Digits * Digits);
            if (left <= right)
                AddMerge(pairs[left], Digit(value % Digits));
            else
                AddMerge(Digit(left / Digits), pairs[right]);
        }
    }
}
