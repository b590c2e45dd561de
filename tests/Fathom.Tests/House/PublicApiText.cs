using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;

namespace Fathom.Tests.House;

/// <summary>An assembly's public types and members as sorted lines.</summary>
internal static class PublicApiText
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<Type, string> s_keywords = new()
    {
        [typeof(void)] = "void", [typeof(bool)] = "bool", [typeof(byte)] = "byte", [typeof(sbyte)] = "sbyte", [typeof(char)] = "char",
        [typeof(short)] = "short", [typeof(ushort)] = "ushort", [typeof(int)] = "int", [typeof(uint)] = "uint", [typeof(long)] = "long",
        [typeof(ulong)] = "ulong", [typeof(nint)] = "nint", [typeof(nuint)] = "nuint", [typeof(float)] = "float", [typeof(double)] = "double",
        [typeof(string)] = "string", [typeof(object)] = "object",
    };

    public static string Of(Assembly assembly)
    {
        var text = new StringBuilder();
        foreach (Type type in assembly.GetExportedTypes().OrderBy(Name, StringComparer.Ordinal))
        {
            text.Append(Header(type)).Append('\n');
            foreach (string member in Members(type).Distinct().Order(StringComparer.Ordinal))
                text.Append("  ").Append(member).Append('\n');
        }

        return text.ToString();
    }

    private static string Header(Type type)
    {
        bool isStatic = type is { IsAbstract: true, IsSealed: true };
        string modifiers = isStatic ? "static " : type.IsAbstract && !type.IsInterface ? "abstract " : type.IsSealed && !type.IsValueType ? "sealed " : "";
        string kind = type switch
        {
            { IsEnum: true } => "enum",
            { IsInterface: true } => "interface",
            _ when typeof(Delegate).IsAssignableFrom(type) => "delegate",
            { IsValueType: true } => type.IsByRefLike ? "ref struct" : "struct",
            _ when type.GetMethod("<Clone>$") is not null => "record",
            _ => "class",
        };
        Type[] bases = [.. type.BaseType is { } b && b != typeof(object) && b != typeof(ValueType) && b != typeof(Enum) ? [b] : Type.EmptyTypes,
            .. type.GetInterfaces().Where(i => !i.Name.StartsWith("IEquatable", StringComparison.Ordinal) && !type.IsEnum).OrderBy(Name, StringComparer.Ordinal)];
        return modifiers + kind + " " + Name(type) + (bases.Length > 0 ? " : " + string.Join(", ", bases.Select(Name)) : "");
    }

    private static IEnumerable<string> Members(Type type)
    {
        if (type.IsEnum)
            return Enum.GetNames(type).Select(name => $"{name} = {Convert.ToInt64(Enum.Parse(type, name), null)}");
        return type.GetMembers(Declared).Where(m => !m.Name.Contains('<', StringComparison.Ordinal) && !IsGenerated(m)).Select(Line).OfType<string>();
    }

    /// <summary>What the compiler writes for records is no decision of ours.</summary>
    private static bool IsGenerated(MemberInfo member) => member is not PropertyInfo && member.IsDefined(typeof(CompilerGeneratedAttribute))
        || member is PropertyInfo { Name: "EqualityContract" };

    private static string? Line(MemberInfo member) => member switch
    {
        FieldInfo f when Visible(f) => $"{(f.IsLiteral ? "const " : f.IsStatic ? "static " : "")}{Name(f.FieldType)} {f.Name}{(f.IsLiteral ? $" = {f.GetRawConstantValue()}" : "")}",
        ConstructorInfo c when Visible(c) => $"new({Parameters(c)})",
        MethodInfo m when Visible(m) && (!m.IsSpecialName || m.Name.StartsWith("op_", StringComparison.Ordinal)) => Method(m),
        PropertyInfo p => Property(p),
        EventInfo e when Visible(e.AddMethod) => $"event {Name(e.EventHandlerType!)} {e.Name}",
        _ => null,
    };

    private static string Method(MethodInfo m)
    {
        string generic = m.IsGenericMethod ? $"<{string.Join(", ", m.GetGenericArguments().Select(Name))}>" : "";
        return $"{Modifiers(m)}{Name(m.ReturnType)} {m.Name}{generic}({Parameters(m)})";
    }

    private static string? Property(PropertyInfo p)
    {
        MethodInfo? get = Visible(p.GetMethod) ? p.GetMethod : null;
        MethodInfo? set = Visible(p.SetMethod) ? p.SetMethod : null;
        if ((get ?? set) is not { } accessor)
            return null;
        bool init = set?.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit)) ?? false;
        string index = p.GetIndexParameters() is { Length: > 0 } parameters ? $"[{string.Join(", ", parameters.Select(Parameter))}]" : "";
        string required = p.IsDefined(typeof(RequiredMemberAttribute)) ? "required " : "";
        return $"{required}{Modifiers(accessor)}{Name(p.PropertyType)} {p.Name}{index} {{ {(get is null ? "" : "get; ")}{(set is null ? "" : init ? "init; " : "set; ")}}}";
    }

    private static string Modifiers(MethodInfo m)
    {
        string access = m.IsFamily || m.IsFamilyOrAssembly ? "protected " : "";
        if (m.IsStatic)
            return access + "static ";
        bool overrides = m.GetBaseDefinition().DeclaringType != m.DeclaringType;
        return access + (m.IsAbstract ? "abstract " : overrides ? "override " : m is { IsVirtual: true, IsFinal: false } ? "virtual " : "");
    }

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(Parameter));

    private static string Parameter(ParameterInfo p)
    {
        string way = !p.ParameterType.IsByRef ? "" : p.IsOut ? "out " : p.IsIn ? "in " : "ref ";
        Type type = p.ParameterType.IsByRef ? p.ParameterType.GetElementType()! : p.ParameterType;    // a reference has an element
        return $"{way}{Name(type)} {p.Name}{(p.HasDefaultValue ? $" = {p.RawDefaultValue ?? "null"}" : "")}";
    }

    private static bool Visible(FieldInfo f) => f.IsPublic || f.IsFamily || f.IsFamilyOrAssembly;

    private static bool Visible(MethodBase? m) => m is not null && (m.IsPublic || m.IsFamily || m.IsFamilyOrAssembly);

    private static string Name(Type type)
    {
        if (s_keywords.TryGetValue(type, out string? keyword))
            return keyword;
        if (type.IsGenericParameter)
            return type.Name;
        if (type.IsArray)
            return Name(type.GetElementType()!) + "[]";                                               // an array has an element
        if (type.IsByRef)
            return "ref " + Name(type.GetElementType()!);
        if (Nullable.GetUnderlyingType(type) is { } value)
            return Name(value) + "?";
        string name = (type.FullName ?? $"{type.Namespace}.{type.Name}").Replace('+', '.');
        if (!type.IsGenericType)
            return name;
        string outer = (type.GetGenericTypeDefinition().FullName ?? type.Name).Replace('+', '.');
        return $"{outer[..outer.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>";
    }
}
