using Fathom.Model;

namespace Fathom.Train.Autograd;

/// <summary>A weight that is trained: a variable that outlives the step.</summary>
internal sealed class Parameter : Variable
{
    public Parameter(ExpectedWeight weight)
        : base(weight.Rows, weight.Columns, Arena.Aligned((int)weight.Count), Arena.Aligned((int)weight.Count)) => Weight = weight;

    /// <summary>Which weight of the model it is.</summary>
    public ExpectedWeight Weight { get; }

    public string Name => Weight.Name;

    /// <summary>Lets passes read other numbers in place of those so far; the gradient stays.</summary>
    public void Use(Memory<float> value) => Value = value;

    /// <summary>Whether it belongs to a lightning indexer, which learns from its own loss alone.</summary>
    public bool OfIndexer => Weight.Key.Part is WeightPart.IndexQuery or WeightPart.IndexHeadWeights or WeightPart.IndexCompressorKv
        or WeightPart.IndexCompressorGate or WeightPart.IndexCompressorPositionBias or WeightPart.IndexCompressorNorm;
}
