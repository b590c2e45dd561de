using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Parity;

/// <summary>
/// Hands out memory full of NaN instead of zeros: whoever reads what nobody wrote shows it. Weights begin with zeros, as the packed layout's
/// rows beyond N need them.
/// </summary>
internal sealed class PoisoningDevice(Device inner) : DeviceDecorator(inner)
{
    private const int Piece = 1 << 20;

    public override Storage Allocate(long bytes, MemoryPurpose purpose)
    {
        Storage storage = Inner.Allocate(bytes, purpose);
        if (purpose == MemoryPurpose.Weights) return storage;
        byte[] poison = new byte[Math.Min(bytes, Piece)];
        Array.Fill(poison, (byte)0xFF);
        for (long offset = 0; offset < bytes; offset += Piece)
        {
            int count = (int)Math.Min(Piece, bytes - offset);
            Inner.Upload(poison.AsSpan(0, count), new Tensor(storage, offset, DType.U8, 1, 1, count));
        }

        return storage;
    }
}
