using System.Text.Json.Serialization;

namespace Fathom.Cache;

/// <summary>namespace.json: what a folder's caches belong to, for people.</summary>
/// <param name="Model">the model's name</param> <param name="Parts">what tells the namespace apart, without the tenant</param>
internal sealed record StoreDescription(string Model, IReadOnlyList<string> Parts);

/// <summary>Makes its code for JSON at compile time.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(StoreDescription))]
internal sealed partial class StoreDescriptionJson : JsonSerializerContext;
