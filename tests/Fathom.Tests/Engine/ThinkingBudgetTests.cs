using Fathom.Engine;
using Xunit;

namespace Fathom.Tests.Engine;

public class ThinkingBudgetTests
{
    private const int Call = 900;

    private static readonly int[] s_close = [7, 8, 7, 9];

    [Theory]
    [InlineData(5, 100, 10, 5)]        // the budget
    [InlineData(50, 30, 10, 16)]       // the reply's tokens less the close's four and the room
    [InlineData(50, 14, 10, 0)]
    public void The_limit_is_the_budget_or_what_leaves_room(int budget, int maxTokens, int room, int limit) =>
        Assert.Equal(limit, new ThinkingBudget(budget, maxTokens, room, s_close).Limit);

    [Theory]
    [InlineData(-1, 100, 10)]
    [InlineData(5, 100, -1)]
    [InlineData(5, 13, 10)]
    public void A_reply_without_room_is_refused(int budget, int maxTokens, int room) =>
        Assert.Throws<RequestException>(() => new ThinkingBudget(budget, maxTokens, room, s_close));

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(6)]
    public void When_it_is_used_up_the_close_is_forced_token_by_token_and_the_answer_is_free(int limit)
    {
        var budget = new ThinkingBudget(limit, 1000, 10, s_close);
        for (int i = 0; i < limit; i++)
        {
            Assert.True(budget.Forced.IsEmpty, $"forced after {i} of {limit}");
            budget.Push(1);
        }

        for (int i = 0; i < s_close.Length; i++)
        {
            Assert.True(budget.IsThinking);
            Assert.Equal(s_close[i..], budget.Forced.ToArray());
            budget.Push(s_close[i]);
        }

        Assert.True(budget.HasFired);
        AssertSilent(budget);
    }

    [Fact]
    public void A_close_that_has_begun_is_gone_on_with()
    {
        var budget = new ThinkingBudget(5, 1000, 10, s_close);
        foreach (int token in new[] { 1, 1, 1, 7, 8 })
            budget.Push(token);
        Assert.Equal([7, 9], budget.Forced.ToArray());
        budget.Push(7);
        budget.Push(9);
        Assert.False(budget.IsThinking);
    }

    [Fact]
    public void Thinking_that_ends_by_itself_is_never_cut()
    {
        var budget = new ThinkingBudget(9, 1000, 10, s_close);
        foreach (int token in new[] { 7, 8, 7, 8, 7, 9 })        // the close begins a second time inside its first attempt
            budget.Push(token);
        Assert.False(budget.HasFired);
        AssertSilent(budget);
    }

    [Fact]
    public void A_tool_call_ends_it_too()
    {
        var budget = new ThinkingBudget(3, 1000, 10, s_close, [Call]);
        budget.Push(1);
        budget.Push(Call);
        AssertSilent(budget);
    }

    [Fact]
    public void Another_token_than_the_forced_one_is_refused()
    {
        var budget = new ThinkingBudget(0, 1000, 10, s_close);
        Assert.Throws<RequestException>(() => budget.Push(8));
        Assert.Equal(s_close, budget.Forced.ToArray());
    }

    private static void AssertSilent(ThinkingBudget budget)
    {
        for (int i = 0; i < 50; i++)
        {
            Assert.False(budget.IsThinking);
            Assert.True(budget.Forced.IsEmpty);
            Assert.Null(budget.Mask);
            budget.Push(i % 3 == 0 ? 7 : 8);
        }
    }
}
