using System.Net;
using System.Net.Sockets;

namespace Fathom.Server;

/// <summary>
/// Counts wrong keys by address: after ten in a minute nobody from there is let in for the rest of it, so that nobody tries many. Who was let in from
/// there before goes on: behind one proxy or one company's address, a stranger's wrong keys shut out no one at work. May be used from any thread.
/// </summary>
internal sealed class WrongKeys(TimeProvider clock)
{
    private const int WrongMax = 10;

    // Addresses, and keys at addresses, that are remembered: less than a megabyte.
    private const int EntriesMax = 4096;

    // Of an IPv6 address: what a provider gives to one customer.
    private const int NetworkBytes = 8;

    private static readonly TimeSpan s_window = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<IPAddress, int> _wrong = [];                              // of this minute
    private readonly HashSet<(IPAddress Address, string Key)> _right = [];
    private long _begin = clock.GetTimestamp();

    /// <summary>Whether a request is answered as its key says, or refused whatever its key is.</summary>
    /// <param name="address">where it comes from; an IPv6 network counts as one</param> <param name="name">of its key; null if that is none</param>
    public bool Allows(IPAddress? address, string? name)
    {
        IPAddress from = Network(address ?? IPAddress.None);
        lock (_lock)
        {
            if (clock.GetElapsedTime(_begin) >= s_window)
            {
                _begin = clock.GetTimestamp();
                _wrong.Clear();
            }
            if (name is not null && _right.Contains((from, name)))
            {
                return true;
            }
            int wrong = _wrong.GetValueOrDefault(from);
            if (wrong >= WrongMax)
            {
                return false;
            }
            if (name is not null && _right.Count < EntriesMax)
            {
                _right.Add((from, name));
            }
            else if (name is null && (wrong > 0 || _wrong.Count < EntriesMax))
            {
                _wrong[from] = wrong + 1;
            }
            return true;
        }
    }

    private static IPAddress Network(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6 || address.AddressFamily != AddressFamily.InterNetworkV6)
        {
            return address.MapToIPv4();
        }
        byte[] bytes = address.GetAddressBytes();
        bytes.AsSpan(NetworkBytes).Clear();
        return new IPAddress(bytes);
    }
}
