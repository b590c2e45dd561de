namespace Fathom.Prompts;

/// <summary>The control tokens of DeepSeek-V4 by their text. Ids are the tokenizer's business: they differ between vocabularies.</summary>
public static class ProtocolTokens
{
    /// <summary>BOS; only the encoder writes it, the tokenizer never adds it.</summary>
    public const string BeginOfSentence = "<｜begin▁of▁sentence｜>";

    /// <summary>EOS; ends every assistant turn.</summary>
    public const string EndOfSentence = "<｜end▁of▁sentence｜>";

    /// <summary>Opens a user or developer turn.</summary>
    public const string User = "<｜User｜>";

    /// <summary>Opens an assistant turn.</summary>
    public const string Assistant = "<｜Assistant｜>";

    /// <summary>Opens the reasoning.</summary>
    public const string ThinkOpen = "<think>";

    /// <summary>Closes the reasoning, or stands for «no reasoning» in chat mode.</summary>
    public const string ThinkClose = "</think>";

    /// <summary>Marks tool markup; it stands inside plain angle brackets, which are not part of the token.</summary>
    public const string Dsml = "｜DSML｜";

    /// <summary>Opens a reminder of the latest circumstances (date, place, client).</summary>
    public const string LatestReminder = "<｜latest_reminder｜>";

    /// <summary>Quick instruction: choose between searching and answering.</summary>
    public const string ActionTask = "<｜action｜>";

    /// <summary>Quick instruction: write search queries.</summary>
    public const string QueryTask = "<｜query｜>";

    /// <summary>Quick instruction: does the question need an authoritative source?</summary>
    public const string AuthorityTask = "<｜authority｜>";

    /// <summary>Quick instruction: name the domain of the question.</summary>
    public const string DomainTask = "<｜domain｜>";

    /// <summary>Quick instruction: title the conversation.</summary>
    public const string TitleTask = "<｜title｜>";

    /// <summary>Quick instruction: does an address in the question need reading?</summary>
    public const string ReadUrlTask = "<｜read_url｜>";

    /// <summary>Fill in the middle: before the prefix.</summary>
    public const string FimBegin = "<｜fim▁begin｜>";

    /// <summary>Fill in the middle: where the model's text belongs, between prefix and suffix.</summary>
    public const string FimHole = "<｜fim▁hole｜>";

    /// <summary>Fill in the middle: after the suffix; generation starts here.</summary>
    public const string FimEnd = "<｜fim▁end｜>";

    /// <summary>The tokens that occur inside the fixed protocol texts.</summary>
    internal static readonly string[] InsideProtocolTexts = [Dsml, ThinkOpen, ThinkClose];
}
