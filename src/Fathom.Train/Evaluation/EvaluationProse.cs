using Fathom.Text;
using Fathom.Train.Data;
using Fathom.Train.Data.Tasks;

namespace Fathom.Train.Evaluation;

/// <summary>Text to hide facts in, as the tasks want it.</summary>
internal static class EvaluationProse
{
    /// <exception cref="InvalidDataException">the text has no sentence inside, or the tokenizer is not one of DeepSeek-V4</exception>
    public static Prose Of(string text, Tokenizer tokenizer)
    {
        try
        {
            return new Prose(TokenDataset.Tokenize([text], tokenizer), tokenizer);
        }
        catch (ArgumentException problem)
        {
            throw new InvalidDataException($"The text to hide facts in: {problem.Message}", problem);
        }
    }
}
