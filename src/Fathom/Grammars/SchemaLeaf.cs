using System.Text.Json;

namespace Fathom.Grammars;

/// <summary>What a schema lets a value be, once references and choices are resolved.</summary>
internal enum SchemaKind
{
    /// <summary>Anything.</summary>
    Any,

    /// <summary>One of the strings of an enum or const.</summary>
    TextConstant,

    /// <summary>One of the other values of an enum or const.</summary>
    Constant,

    /// <summary>An object.</summary>
    Object,

    /// <summary>An array.</summary>
    Array,

    /// <summary>A string.</summary>
    Text,

    /// <summary>A number.</summary>
    Number,

    /// <summary>A whole number.</summary>
    Integer,

    /// <summary>true or false.</summary>
    Boolean,

    /// <summary>null.</summary>
    Null,
}

/// <summary>One of the kinds of value that a schema allows.</summary>
/// <param name="Kind">what the value is</param> <param name="Schema">with the kind's keywords</param> <param name="Path">of the schema, such as #/properties/a</param>
internal readonly record struct SchemaLeaf(SchemaKind Kind, JsonElement Schema, string Path);
