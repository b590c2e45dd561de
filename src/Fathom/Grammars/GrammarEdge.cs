namespace Fathom.Grammars;

/// <summary>What a step between two positions takes.</summary>
internal enum GrammarStep
{
    /// <summary>One symbol from First to Last: bytes are 0 to 255, the grammar's control tokens follow.</summary>
    Symbol,

    /// <summary>Nothing.</summary>
    Skip,

    /// <summary>All of the rule First.</summary>
    Call,
}

/// <summary>A step from one position of a grammar to another.</summary>
internal readonly record struct GrammarEdge(GrammarStep Step, int First, int Last, int To);
