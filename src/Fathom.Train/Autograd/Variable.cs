namespace Fathom.Train.Autograd;

/// <summary>A matrix of singles and, unless it is a constant, the gradient of the loss with respect to it.</summary>
/// <param name="rows">rows</param> <param name="columns">columns</param>
/// <param name="value">(rows, columns)</param> <param name="gradient">the same, or empty for a constant</param>
internal class Variable(int rows, int columns, Memory<float> value, Memory<float> gradient)
{
    public int Rows { get; } = rows;

    public int Columns { get; } = columns;

    public Memory<float> Value { get; protected set; } = value;

    /// <summary>Backward passes add to it.</summary>
    public Memory<float> Gradient { get; } = gradient;

    public bool NeedsGradient => !Gradient.IsEmpty;

    /// <summary>The same numbers as rows of another width.</summary>
    public Variable Shaped(int rows, int columns) => new(rows, columns, Value, Gradient);

    /// <summary>The same numbers as a constant: no gradient flows back through it.</summary>
    public Variable Detached() => new(Rows, Columns, Value, default);

    public Span<float> Row(int row) => Value.Span.Slice(row * Columns, Columns);

    public Span<float> GradientRow(int row) => Gradient.Span.Slice(row * Columns, Columns);
}
