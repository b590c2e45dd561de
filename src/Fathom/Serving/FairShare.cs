namespace Fathom.Serving;

/// <summary>
/// Who was served how much: the virtual counters of fair queuing, in prompt tokens. The holder with the least is served next, so that holders with work get
/// equal shares however many requests they send. One who comes back begins level with those at work: nothing is saved up.
/// </summary>
internal sealed class FairShare
{
    /// <summary>
    /// What a written token costs, in prompt tokens: weights are read once for a step's few written tokens, and once for hundreds of a prompt.
    /// </summary>
    public const double WrittenTokenCost = 4;

    private readonly Dictionary<string, double> _served = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _requests = new(StringComparer.Ordinal);

    /// <summary>Holders with requests.</summary>
    public int Holders => _requests.Count;

    /// <summary>A request comes.</summary>
    public void Arrive(string holder)
    {
        if (_requests.TryGetValue(holder, out int requests))
        {
            _requests[holder] = requests + 1;
            return;
        }
        double level = _requests.Count == 0 ? 0 : _requests.Keys.Min(Served);
        if (_requests.Count == 0)
        {
            _served.Clear();
        }
        _served[holder] = Math.Max(Served(holder), level);
        _requests[holder] = 1;
    }

    /// <summary>A request ends, however.</summary>
    public void Leave(string holder)
    {
        if (--_requests[holder] == 0)
        {
            _requests.Remove(holder);
        }
    }

    /// <summary>Tokens of the prompt were read, cached ones left out, or tokens were written.</summary>
    public void Charge(string holder, int read, int written) => _served[holder] = Served(holder) + read + (written * WrittenTokenCost);

    /// <summary>What a holder got so far.</summary>
    public double Served(string holder) => _served.GetValueOrDefault(holder);
}
