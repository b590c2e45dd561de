using System.Diagnostics;

namespace Fathom.Engine;

/// <summary>The tokens that may come next, one bit each: grammars, thinking budgets and quotations say what is possible through it.</summary>
public sealed class TokenMask
{
    private readonly ulong[] _bits;

    /// <summary>A mask that allows nothing.</summary>
    public TokenMask(int vocabularySize)
    {
        VocabularySize = vocabularySize;
        _bits = new ulong[(vocabularySize + 63) / 64];
    }

    /// <summary>Tokens it speaks of.</summary>
    public int VocabularySize { get; }

    /// <summary>Whether a token may come next.</summary>
    public bool this[int id]
    {
        get
        {
            Debug.Assert(id >= 0 && id < VocabularySize);
            return (_bits[id / 64] >> (id % 64) & 1) != 0;
        }
        set
        {
            Debug.Assert(id >= 0 && id < VocabularySize);
            _bits[id / 64] = value ? _bits[id / 64] | (1UL << (id % 64)) : _bits[id / 64] & ~(1UL << (id % 64));
        }
    }

    /// <summary>Allows what another mask of as many tokens allows.</summary>
    internal void CopyFrom(TokenMask other)
    {
        Debug.Assert(other.VocabularySize == VocabularySize);
        other._bits.CopyTo(_bits, 0);
    }

    /// <summary>Forbids what another mask of as many tokens forbids.</summary>
    internal void And(TokenMask other)
    {
        Debug.Assert(other.VocabularySize == VocabularySize);
        for (int i = 0; i < _bits.Length; i++)
        {
            _bits[i] &= other._bits[i];
        }
    }

    /// <summary>Allows all tokens or none.</summary>
    public void Fill(bool allowed) => Array.Fill(_bits, allowed ? ulong.MaxValue : 0);
}
