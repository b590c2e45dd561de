using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Fathom.Engine;
using Fathom.Prompts;

namespace Fathom.Grammars;

/// <summary>
/// Makes a grammar's rules from schemas. Each place of a schema becomes one rule, however often it is referred to; bodies are made one after
/// the other from a list, so that neither depth nor cycles of references matter.
/// </summary>
internal sealed class SchemaGrammar
{
    private const int PropertiesMax = 1000;

    private readonly GrammarBuilder _builder;
    private readonly JsonFragments _json;
    private readonly SchemaReader _reader;
    private readonly Dictionary<(string Path, SchemaKind Kind, Spelling Spelling), int> _rules = [];
    private readonly Queue<(SchemaLeaf Leaf, Spelling Spelling, int Rule)> _open = [];

    /// <param name="builder">takes the rules</param> <param name="json">of the same builder</param> <param name="root">what references refer to</param>
    public SchemaGrammar(GrammarBuilder builder, JsonFragments json, JsonElement root)
    {
        (_builder, _json) = (builder, json);
        _reader = new SchemaReader(root);
    }

    /// <summary>What a value of a schema may be.</summary>
    public List<SchemaLeaf> Leaves(JsonElement schema, string path) => _reader.Leaves(schema, path);

    /// <summary>Adds the steps that take a value of a schema.</summary>
    public void AddValue(int from, JsonElement schema, string path, int to)
    {
        foreach (SchemaLeaf leaf in Leaves(schema, path))
            AddLeaf(from, leaf, Spelling.Json, to);
    }

    /// <summary>Adds the steps that take a value of one kind; in markup strings alone.</summary>
    public void AddLeaf(int from, SchemaLeaf leaf, Spelling spelling, int to) => _builder.AddCall(from, RuleOf(leaf, spelling), to);

    /// <summary>The properties of an object with their schemas and whether they are required, in the order given.</summary>
    public static List<(string Name, JsonElement Schema, string Path, bool IsRequired)> Properties(SchemaLeaf leaf)
    {
        var properties = new List<(string, JsonElement, string, bool)>();
        HashSet<string> required = Required(leaf), names = [];
        if (leaf.Schema.TryGetProperty("properties", out JsonElement given))
        {
            if (given.ValueKind != JsonValueKind.Object)
                throw new RequestException($"{leaf.Path}/properties: expected an object, found {SchemaKeywords.Start(given)}.");
            foreach (JsonProperty property in given.EnumerateObject())
            {
                string path = $"{leaf.Path}/properties/{SchemaKeywords.Escaped(property.Name)}";
                if (!names.Add(property.Name))
                    throw new RequestException($"{path}: expected each property once, found it twice.");
                properties.Add((property.Name, property.Value, path, required.Remove(property.Name)));
            }
        }

        if (required.Count > 0)
            throw new RequestException($"{leaf.Path}/required: expected names of properties, found {required.First()}, which is none of them. Add it to properties.");
        if (properties.Count > PropertiesMax)
            throw new RequestException($"{leaf.Path}/properties: expected at most {PropertiesMax}, found {properties.Count}.");
        return properties;
    }

    /// <summary>Makes the bodies of all rules that were asked for.</summary>
    public void Complete()
    {
        while (_open.TryDequeue(out (SchemaLeaf Leaf, Spelling Spelling, int Rule) open))
        {
            (int from, int to) = (_builder.Start(open.Rule), _builder.End(open.Rule));
            switch (open.Leaf.Kind)
            {
                case SchemaKind.Object:
                    AddObject(from, open.Leaf, to);
                    break;
                case SchemaKind.Array:
                    AddArray(from, open.Leaf, to);
                    break;
                case SchemaKind.Text:
                    new TextFragments(_builder, _json).Add(from, open.Leaf, open.Spelling, to);
                    break;
                case SchemaKind.Number or SchemaKind.Integer:
                    NumberReader.Read(open.Leaf).Add(_builder, from, to);
                    break;
                default:
                    _builder.AddChoice(from, Constants(open.Leaf, open.Spelling), to);
                    break;
            }
        }
    }

    private int RuleOf(SchemaLeaf leaf, Spelling spelling)
    {
        if (Shared(leaf, spelling) is { } shared)
            return shared;
        var key = (leaf.Path, leaf.Kind, spelling);
        if (!_rules.TryGetValue(key, out int rule))
        {
            rule = _builder.NewRule(leaf.Path);
            _rules.Add(key, rule);
            _open.Enqueue((leaf, spelling, rule));
        }

        return rule;
    }

    private int? Shared(SchemaLeaf leaf, Spelling spelling)
    {
        bool Has(params ReadOnlySpan<string> keywords)
        {
            foreach (string keyword in keywords)
            {
                if (leaf.Schema.TryGetProperty(keyword, out _))
                    return true;
            }

            return false;
        }

        return leaf.Kind switch
        {
            SchemaKind.Any => _json.AnyValue,
            SchemaKind.Boolean => _json.Boolean,
            SchemaKind.Null => _json.Null,
            SchemaKind.Object when !Has("properties", "required", "additionalProperties") => _json.AnyObject,
            SchemaKind.Text when spelling == Spelling.Json && !Has("pattern", "format", "minLength", "maxLength") => _json.Text,
            SchemaKind.Number when !NumberReader.HasBounds(leaf.Schema) => _json.Number,
            SchemaKind.Integer when !NumberReader.HasBounds(leaf.Schema) => _json.Integer,
            _ => null,
        };
    }

    // Two ways through the properties side by side, one before and one behind the first that is written: a comma stands between any two.
    private void AddObject(int from, SchemaLeaf leaf, int to)
    {
        int open = _builder.AddBytes(from, "{"u8), none = _builder.NewPosition(), some = _builder.NewPosition();
        bool mayBeEmpty = true;
        _builder.AddCall(open, _json.Blank, none);
        List<(string Name, JsonElement Schema, string Path, bool IsRequired)> properties = Properties(leaf);
        foreach ((string name, JsonElement schema, string path, bool isRequired) in properties)
        {
            int key = _builder.NewPosition(), behind = _builder.NewPosition();
            _builder.AddSkip(none, key);
            _builder.AddSkip(_json.AddComma(some), key);
            AddValue(_json.AddColon(_builder.AddBytes(key, CharacterFragments.Quote(name))), schema, path, behind);
            int stillNone = _builder.NewPosition();
            if (!isRequired)
            {
                _builder.AddSkip(none, stillNone);
                _builder.AddSkip(some, behind);
            }

            mayBeEmpty &= !isRequired;
            (none, some) = (stillNone, behind);
        }

        if (leaf.Schema.TryGetProperty("additionalProperties", out JsonElement others) && others.ValueKind != JsonValueKind.False)
            AddOthers(none, some, others, leaf.Path, properties.Select(property => property.Name));
        if (mayBeEmpty)
            _builder.AddSymbols(open, '}', '}', to);
        _json.AddClose(some, '}', to);
    }

    private void AddOthers(int none, int some, JsonElement schema, string path, IEnumerable<string> names)
    {
        int key = _builder.NewPosition(), colon = _builder.NewPosition();
        _builder.AddSkip(none, key);
        _builder.AddSkip(_json.AddComma(some), key);
        TextFragments.AddOtherKey(_builder, key, names, colon);
        AddValue(_json.AddColon(colon), schema, $"{path}/additionalProperties", some);
    }

    private void AddArray(int from, SchemaLeaf leaf, int to)
    {
        int least = SchemaKeywords.Count(leaf.Schema, "minItems", 0, leaf.Path), most = SchemaKeywords.Count(leaf.Schema, "maxItems", int.MaxValue, leaf.Path);
        if (most < least)
            throw new RequestException($"{leaf.Path}: expected maxItems of at least minItems, found {most} and {least}.");
        List<SchemaLeaf> items = leaf.Schema.TryGetProperty("items", out JsonElement schema)
            ? Leaves(schema, $"{leaf.Path}/items") : [new SchemaLeaf(SchemaKind.Any, leaf.Schema, leaf.Path)];
        int open = _builder.AddBytes(from, "["u8), item = _builder.NewPosition();
        if (least == 0)
            _builder.AddSymbols(open, ']', ']', to);
        if (most > 0)
            _builder.AddCall(open, _json.Blank, item);
        for (int count = 1; count <= Math.Min(most, Math.Max(least, 1)) || most < int.MaxValue && count <= most; count++)
        {
            int behind = _builder.NewPosition();
            foreach (SchemaLeaf kind in items)
                AddLeaf(item, kind, Spelling.Json, behind);
            if (count >= least)
                _json.AddClose(behind, ']', to);
            bool isLast = most == int.MaxValue && count == Math.Max(least, 1);
            int next = isLast ? item : _builder.NewPosition();
            if (count < most)
                _builder.AddSkip(_json.AddComma(behind), next);
            item = next;
        }
    }

    private static List<byte[]> Constants(SchemaLeaf leaf, Spelling spelling)
    {
        var texts = new List<byte[]>();
        foreach (JsonElement value in SchemaReader.Constants(leaf.Schema, leaf.Path))
        {
            if (value.ValueKind == JsonValueKind.String != (leaf.Kind == SchemaKind.TextConstant))
                continue;
            if (value.ValueKind != JsonValueKind.String)
            {
                texts.Add(Compact(value));
                continue;
            }

            string text = value.GetString()!;              // a string has text
            if (spelling == Spelling.Markup && text.Contains(ProtocolTokens.Dsml, StringComparison.Ordinal))
                throw new RequestException($"{leaf.Path}: expected values without {ProtocolTokens.Dsml}, which marks tool calls, found {SchemaKeywords.Start(value)}.");
            texts.Add(spelling == Spelling.Json ? CharacterFragments.Quote(text) : Encoding.UTF8.GetBytes(text));
        }

        return texts;
    }

    private static byte[] Compact(JsonElement value)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
            value.WriteTo(writer);
        return stream.ToArray();
    }

    private static HashSet<string> Required(SchemaLeaf leaf)
    {
        var required = new HashSet<string>();
        if (!leaf.Schema.TryGetProperty("required", out JsonElement names))
            return required;
        if (names.ValueKind != JsonValueKind.Array || names.EnumerateArray().Any(name => name.ValueKind != JsonValueKind.String))
            throw new RequestException($"{leaf.Path}/required: expected an array of names, found {SchemaKeywords.Start(names)}.");
        foreach (JsonElement name in names.EnumerateArray())
            required.Add(name.GetString()!);               // a string has text
        return required;
    }
}
