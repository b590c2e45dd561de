using Fathom.Model;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;

namespace Fathom.Train.Model;

/// <summary>Every weight of a model in singles, under the official names: what is trained, the routers' biases and the tables by token id.</summary>
internal sealed class Parameters
{
    private readonly Dictionary<WeightKey, Parameter> _numbers = [];
    private readonly Dictionary<WeightKey, int[]> _tables = [];

    /// <param name="config">a validated config</param>
    public Parameters(ModelConfig config)
    {
        Config = config;
        Expected = [.. ExpectedWeights.Of(config)];
        foreach (ExpectedWeight weight in Expected)
        {
            if (weight.Role == WeightRole.Ids)
            {
                _tables.Add(weight.Key, new int[weight.Count]);
            }
            else
            {
                _numbers.Add(weight.Key, new Parameter(weight));
            }
        }
        Numbers = [.. Expected.Where(weight => weight.Role != WeightRole.Ids).Select(weight => _numbers[weight.Key])];
        Trained = [.. Numbers.Where(parameter => parameter.Weight.Key.Part != WeightPart.RouterBias)];
    }

    public ModelConfig Config { get; }

    /// <summary>All weights in the order of the checkpoint.</summary>
    public IReadOnlyList<ExpectedWeight> Expected { get; }

    /// <summary>Everything but tables, in the order of the checkpoint.</summary>
    public IReadOnlyList<Parameter> Numbers { get; }

    /// <summary>What gradients train: not the routers' biases, which follow the load.</summary>
    public IReadOnlyList<Parameter> Trained { get; }

    public Parameter this[WeightPart part, int layer = -1, int expert = -1] => _numbers[new WeightKey(part, layer, expert)];

    /// <summary>tid2eid of a hash layer, (vocabulary · k).</summary>
    public int[] Table(int layer) => _tables[new WeightKey(WeightPart.ExpertsByToken, layer)];

    public void ClearGradients()
    {
        foreach (Parameter parameter in Numbers)
        {
            parameter.Gradient.Span.Clear();
        }
    }

    /// <summary>The collapse of the streams before a head; layer −1 is the model's.</summary>
    public HyperConnectionWeights HeadHc(int layer) =>
        new(this[WeightPart.HcHeadFn, layer], this[WeightPart.HcHeadBase, layer], this[WeightPart.HcHeadScale, layer]);
}
