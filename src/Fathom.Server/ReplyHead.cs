namespace Fathom.Server;

/// <summary>What a reply says of itself before it says anything.</summary>
/// <param name="Id">unguessable</param>
/// <param name="Model">name of the model</param>
/// <param name="Fingerprint">as <see cref="Serving.ServingEngine.Fingerprint"/></param>
/// <param name="Created">seconds since 1970, UTC</param>
internal sealed record ReplyHead(string Id, string Model, string Fingerprint, long Created)
{
    /// <summary>The head of a new reply.</summary>
    /// <param name="exchange">that it answers</param> <param name="prefix">of its id</param>
    public static ReplyHead Of(Exchange exchange, string prefix) =>
        new(Reply.NewId(prefix), exchange.Engine.ModelName, exchange.Engine.Fingerprint, DateTimeOffset.UtcNow.ToUnixTimeSeconds());
}
