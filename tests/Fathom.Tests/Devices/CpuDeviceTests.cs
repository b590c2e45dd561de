using Fathom.Cpu;
using Fathom.Devices;

namespace Fathom.Tests.Devices;

/// <summary>The processor under the device's rules, which <see cref="CheckedDevice"/> watches.</summary>
public sealed class CpuDeviceTests() : DeviceTests(new Owner(new CpuDevice(2)))
{
    private sealed class Owner(CpuDevice cpu) : DeviceDecorator(new CheckedDevice(cpu))
    {
        protected override void Dispose(bool disposing)
        {
            base.Dispose(disposing);
            cpu.Dispose();
        }
    }
}
