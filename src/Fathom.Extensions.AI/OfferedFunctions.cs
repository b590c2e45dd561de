using System.Text.Json;
using Fathom.Engine;
using Fathom.Grammars;
using Fathom.Prompts;
using Fathom.Serving;
using Microsoft.Extensions.AI;

namespace Fathom.Extensions.AI;

/// <summary>The functions that a request offers, and whether one must be called.</summary>
/// <param name="Tools">as the model reads them</param> <param name="Choice">whether there must, may or must not be a call</param>
/// <param name="Name">of the function to call; null for any</param> <param name="Grammars">what holds calls to the functions' schemas</param>
internal sealed record OfferedFunctions(IReadOnlyList<Tool> Tools, CallChoice Choice, string? Name, CallGrammars Grammars)
{
    private const string Strict = "strict";

    /// <summary>Reads tools and their mode.</summary>
    /// <exception cref="GenerationException">they ask for what cannot be done</exception>
    public static OfferedFunctions Read(ChatOptions options)
    {
        var functions = new List<CallSchema>();
        var tools = new List<Tool>();
        foreach (AITool tool in options.Tools ?? [])
        {
            AIFunctionDeclaration function = tool as AIFunctionDeclaration ?? throw GenerationException.Invalid(
                $"Tools: expected functions, found {tool.Name} of the type {tool.GetType().Name}, which a provider would have to run. Leave it out.");
            if (!Tool.IsName(function.Name))
            {
                throw GenerationException.Invalid($"Tools: expected names of 1 to 128 letters, digits, underscores and dashes, found {function.Name}.");
            }
            JsonElement schema = function.JsonSchema;
            JsonElement? parameters = schema.ValueKind == JsonValueKind.Object && schema.EnumerateObject().Any() ? schema : null;
            functions.Add(new CallSchema(function.Name, parameters, function.AdditionalProperties.TryGetValue(Strict, out object? strict) && strict is true));
            tools.Add(Tool.Of(function.Name, function.Description, parameters?.GetRawText()));
        }
        (CallChoice choice, string? name) = Mode(options.ToolMode, functions);
        try
        {
            return new OfferedFunctions(tools, choice, name, CallGrammars.Of(functions, choice, name));
        }
        catch (RequestException e)
        {
            throw new GenerationException(FaultKind.Invalid, $"Tools: {e.Message}", e);
        }
    }

    private static (CallChoice Choice, string? Name) Mode(ChatToolMode? mode, List<CallSchema> functions)
    {
        switch (mode)
        {
            case NoneChatToolMode:
                return (CallChoice.None, null);
            case RequiredChatToolMode when functions.Count == 0:
                throw GenerationException.Invalid("ToolMode: expected tools beside a mode that requires a call, found none.");
            case RequiredChatToolMode { RequiredFunctionName: { } name } when !functions.Exists(function => function.Name == name):
                throw GenerationException.Invalid($"ToolMode: expected the name of one of the tools, found {name}.");
            case RequiredChatToolMode required:
                return (CallChoice.Required, required.RequiredFunctionName);
            default:
                return (CallChoice.Free, null);
        }
    }
}
