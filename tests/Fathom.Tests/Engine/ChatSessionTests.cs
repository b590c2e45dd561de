using Fathom.Cpu;
using Fathom.Engine;
using Fathom.Prompts;
using Fathom.Tensors;
using Fathom.Text;
using Xunit;

namespace Fathom.Tests.Engine;

/// <summary>A conversation with the bundled model says what each of its prompts would say alone, and reads hardly more than is new.</summary>
[Collection(MemoryTests.Name)]
public sealed class ChatSessionTests : IDisposable
{
    private const int ReplyTokens = 24;
    private static readonly string s_nano = TestFiles.Path("models", "fathom-nano");
    private static readonly string[] s_lines = ["Who is the king?", "And who came before him?", "Where did they go?", "Why?"];

    private readonly CpuDevice _device = new(2);
    private readonly LanguageModel _model;
    private readonly Tokenizer _tokenizer = Tokenizer.Load(s_nano);

    public ChatSessionTests() => _model = LanguageModel.Load(s_nano, _device, new LoadOptions());

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(ThinkingMode.Chat, false)]
    [InlineData(ThinkingMode.Thinking, false)]
    [InlineData(ThinkingMode.Chat, true)]
    public void Every_reply_is_that_of_its_prompt_alone_and_no_earlier_turn_is_read_again(ThinkingMode thinking, bool speculative)
    {
        using var chat = new ChatSession(_model, _device, _tokenizer, context: 2_048, speculative) { Thinking = thinking };
        int before = 0, computed = 0, parted = 0;
        for (int turn = 0; turn < s_lines.Length; turn++)
        {
            // Drawn hot, tokens often encode to others.
            var sampling = new SamplingOptions { Temperature = 2, Seed = (ulong)turn };
            int held = chat.Length;
            Reply said = Reply.From(chat.Ask(s_lines[turn], sampling, ReplyTokens, Cancellation));
            int[] prompt = Prompt(chat.Messages.Take(chat.Messages.Count - 1), thinking);
            Assert.Equal(Alone(prompt, thinking, sampling).Content.ToString(), said.Content.ToString());

            // All but the marker at the end of the prompt before is there whatever the reply was.
            Assert.InRange(chat.TokensReused, Math.Max(0, before - 1), held);
            Assert.Equal(prompt.Length - chat.TokensReused, chat.Stats.PromptTokens - computed);
            parted += chat.TokensReused < held ? 1 : 0;
            (before, computed) = (prompt.Length, chat.Stats.PromptTokens);
        }

        Assert.True(parted > 0, "no reply encoded to other tokens: the test shows nothing.");
    }

    [Fact]
    public void A_conversation_gives_its_memory_back()
    {
        long before = Storage.LiveBytes(MemoryPurpose.Cache);
        using (var chat = new ChatSession(_model, _device, _tokenizer, context: 2_048))
        {
            foreach (string line in s_lines)
                Assert.NotEmpty(chat.Ask(line, new SamplingOptions { Temperature = 1.2f, Seed = 5 }, ReplyTokens, Cancellation));
            Assert.True(Storage.LiveBytes(MemoryPurpose.Cache) > before);
            chat.Clear();
            Assert.Equal((0, 0), (chat.Length, chat.Messages.Count));
        }

        Assert.Equal(before, Storage.LiveBytes(MemoryPurpose.Cache));
    }

    private int[] Prompt(IEnumerable<Message> messages, ThinkingMode thinking)
    {
        List<int> prompt = [];
        var conversation = new Conversation { Messages = [.. messages], Thinking = thinking };
        foreach (PromptPiece piece in new PromptEncoder(EncoderRevision.April).Encode(conversation).Pieces(TokenMatching.ProtocolOnly))
            _tokenizer.Append(piece.Text, piece.RecognizeAddedTokens, prompt);
        return [.. prompt];
    }

    private Reply Alone(int[] prompt, ThinkingMode thinking, SamplingOptions sampling)
    {
        using var generator = new Generator(_model, _device, context: 2_048);
        generator.Read(prompt, progress: null, Cancellation);
        var detokenizer = new Detokenizer(_tokenizer);
        var parser = new ReplyParser(thinking);
        var events = new List<ReplyEvent>();
        foreach (Token token in generator.Generate(new Sampler(sampling, _model.Config.VocabularySize), _model.Config.EosToken, ReplyTokens, Cancellation))
            events.AddRange(parser.Push(detokenizer.Push(token.Id)));
        events.AddRange(parser.Push(detokenizer.Flush() + (generator.Finish == FinishReason.Stop ? ProtocolTokens.EndOfSentence : "")));
        events.AddRange(parser.Complete());
        return Reply.From(events);
    }
}
