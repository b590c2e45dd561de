namespace Fathom.Server;

/// <summary>Bytes of the bodies of all requests that are being read or answered. May be used from any thread.</summary>
/// <param name="bytesMax">of all together</param>
internal sealed class BodyBudget(long bytesMax)
{
    private long _bytes;

    /// <summary>Bytes that are taken.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>A share that grows with a body; disposing gives it back.</summary>
    public Share Open() => new(this);

    /// <summary>What one request has taken. Used by one thread at a time.</summary>
    internal sealed class Share(BodyBudget budget) : IDisposable
    {
        private long _taken;

        /// <summary>Takes more; false if there is no more.</summary>
        public bool TryTake(int bytes)
        {
            if (Interlocked.Add(ref budget._bytes, bytes) > budget.BytesMax)
            {
                Interlocked.Add(ref budget._bytes, -bytes);
                return false;
            }
            _taken += bytes;
            return true;
        }

        public void Dispose()
        {
            Interlocked.Add(ref budget._bytes, -_taken);
            _taken = 0;
        }
    }

    private long BytesMax => bytesMax;
}
