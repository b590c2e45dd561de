using Fathom.Engine;
using Xunit;

namespace Fathom.Tests.Engine;

public class TokenRulesTests
{
    [Fact]
    public void A_single_mask_passes_as_it_is() =>
        Assert.Equal([1, 2], Allowed(new TokenRules([new Fixed(null), new Fixed([1, 2]), new Fixed(null)]).Mask));

    [Fact]
    public void Several_masks_allow_what_all_allow() =>
        Assert.Equal([2], Allowed(new TokenRules([new Fixed([1, 2]), new Fixed([2, 3]), new Fixed([2, 1])]).Mask));

    [Fact]
    public void Without_masks_everything_is_allowed() => Assert.Null(new TokenRules([new Fixed(null)]).Mask);

    [Fact]
    public void Every_rule_hears_of_every_token_and_the_first_that_forces_is_obeyed()
    {
        Fixed one = new([1]), two = new([2]);
        var rules = new TokenRules([one, new ThinkingBudget(1, 100, 1, [5]), two]);
        Assert.True(rules.Forced.IsEmpty);
        rules.Push(3);
        Assert.Equal([5], rules.Forced.ToArray());
        Assert.Equal([3], one.Pushed);
        Assert.Equal([3], two.Pushed);
    }

    private static int[] Allowed(TokenMask? mask) => mask is null ? [] : [.. Enumerable.Range(0, mask.VocabularySize).Where(id => mask[id])];

    private sealed class Fixed : TokenRule
    {
        public Fixed(int[]? allowed)
        {
            if (allowed is null)
                return;
            Mask = new TokenMask(10);
            foreach (int id in allowed)
                Mask[id] = true;
        }

        public override TokenMask? Mask { get; }

        public List<int> Pushed { get; } = [];

        public override void Push(int token) => Pushed.Add(token);
    }
}
