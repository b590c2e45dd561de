using System.Text;

namespace Fathom.Train.Runs;

/// <summary>A text of a run, which must be UTF-8.</summary>
internal static class RunText
{
    /// <summary>Reads a file.</summary>
    /// <exception cref="RunException">it is missing, unreadable or not UTF-8</exception>
    public static string Read(string path)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(File.ReadAllBytes(path));
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or DecoderFallbackException)
        {
            throw new RunException($"{path}: expected a text in UTF-8, found: {problem.Message} Is the path right, and the file a text? Convert other encodings to UTF-8.", problem);
        }
    }
}
