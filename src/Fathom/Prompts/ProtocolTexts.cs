using System.Text;

namespace Fathom.Prompts;

/// <summary>
/// The fixed texts the model was trained on, byte for byte as DeepSeek's encoder writes them (Protocol/NOTICE).
/// They are embedded files rather than literals, so that their hashes can be compared with the published ones.
/// </summary>
internal static class ProtocolTexts
{
    public static readonly string EffortAbsoluteMaximum = Read("effort_absolute_maximum");
    public static readonly string EffortBeyondMaximum = Read("effort_beyond_maximum");
    public static readonly string ToolsHead = Read("tools_head");
    public static readonly string ToolsTail = Read("tools_tail");
    public static readonly string ResponseFormatHead = Read("response_format_head");
    public static readonly string ToolCallsOpen = Read("tool_calls_open");
    public static readonly string ToolCallsClose = Read("tool_calls_close");
    public static readonly string InvokeOpen = Read("invoke_open");
    public static readonly string InvokeOpenEnd = Read("invoke_open_end");
    public static readonly string InvokeClose = Read("invoke_close");
    public static readonly string ParameterOpen = Read("parameter_open");
    public static readonly string ParameterString = Read("parameter_string");
    public static readonly string ParameterJson = Read("parameter_json");
    public static readonly string ParameterClose = Read("parameter_close");
    public static readonly string ToolResultOpen = Read("tool_result_open");
    public static readonly string ToolResultClose = Read("tool_result_close");

    internal static string Read(string name)
    {
        string resource = $"Fathom.Prompts.Protocol.{name}.txt";
        using Stream stream = typeof(ProtocolTexts).Assembly.GetManifestResourceStream(resource)
            ?? throw new InvalidOperationException(
                $"Fathom.dll: expected the embedded resource {resource}, found none; was it built without Prompts/Protocol?");
        using var reader = new StreamReader(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true));
        return reader.ReadToEnd();
    }
}
