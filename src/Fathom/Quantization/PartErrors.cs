using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Quantization;

/// <summary>Adds up the errors of weights by part and format.</summary>
internal sealed class PartErrors
{
    private readonly List<(WeightPart Part, DType Type)> _order = [];
    private readonly Dictionary<(WeightPart Part, DType Type), PartError> _errors = [];

    /// <summary>A format as safetensors calls it; packed FP4, which it calls I8, by that name.</summary>
    public static string FormatName(DType type) => type == DType.Fp4E2M1Pair ? "FP4" : ElementFormat.Name(type);

    public void Add(ExpectedWeight weight, DType type, RoundingError error)
    {
        (WeightPart, DType) key = (weight.Key.Part, type);
        if (!_errors.TryGetValue(key, out PartError? sum))
        {
            _order.Add(key);
            _errors[key] = sum = new PartError(weight.Name);
        }
        sum.Add(weight.Name, error);
    }

    public IReadOnlyList<ConvertedPart> Sum() => [.. _order.Select(key => _errors[key].Report(key.Part, FormatName(key.Type)))];

    private sealed class PartError(string first)
    {
        private RoundingError _sum = RoundingError.None;
        private double _worst;
        private string _worstWeight = first;
        private int _weights;

        public void Add(string name, RoundingError error)
        {
            _weights++;
            _sum = _sum.Plus(error);
            if (error.WorstShare > _worst)
            {
                (_worst, _worstWeight) = (error.WorstShare, name);
            }
        }

        public ConvertedPart Report(WeightPart part, string format) => new(part, format, _weights, _sum.Rms, _worst, _worstWeight);
    }
}
