using Fathom.Engine;

namespace Fathom.Serving;

/// <summary>Begins a reply with given tokens; what follows is free.</summary>
internal sealed class ForcedOpening(int[] tokens) : TokenRule
{
    private int _written;

    public override TokenMask? Mask => null;

    public override ReadOnlySpan<int> Forced => tokens.AsSpan(_written);

    public override void Push(int token) => _written = Math.Min(_written + 1, tokens.Length);
}
