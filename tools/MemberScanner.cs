using System.Text.RegularExpressions;

namespace Fathom.Tools;

/// <summary>
/// Finds the members of types in code without comments and strings. It counts braces: a block whose header declares a type or a namespace is
/// entered, any other block or expression body directly inside is a member. Initialisers of fields are data and not counted.
/// </summary>
internal sealed partial class MemberScanner
{
    private readonly string _code;
    private readonly List<Member> _members = [];
    private int _at;
    private int _line = 1;

    private MemberScanner(string code)
    {
        _code = code;
    }

    /// <summary>The members of <paramref name="code"/>, which <see cref="SourceText"/> has blanked.</summary>
    public static IReadOnlyList<Member> Scan(string code)
    {
        var scanner = new MemberScanner(code);
        scanner.Declarations(atTop: true);
        return scanner._members;
    }

    /// <summary>Reads declarations up to the brace that closes them, or to the end of the file.</summary>
    private void Declarations(bool atTop)
    {
        int topLevelFirst = 0;
        int topLevelLast = 0;
        while (SkipBlanks() && SkipAttributes() && _code[_at] != '}')
        {
            int first = _line;
            string header = Header(out char end);
            if (end == '{' && DeclaresContainer().IsMatch(header))
            {
                Move();
                Declarations(atTop: false);
                Move();
                continue;
            }

            bool hasBody = end == '{' || header.Contains("=>", StringComparison.Ordinal);
            Rest(end);
            if (atTop && !IsDeclarationOnly().IsMatch(header))
            {
                topLevelFirst = topLevelFirst == 0 ? first : topLevelFirst;
                topLevelLast = _line;
            }
            else if (hasBody && !atTop && !IsInitialiser(header))
            {
                _members.Add(new Member(NameOf(header), first, _line - first + 1));
            }

            Move();
        }

        if (topLevelFirst > 0)
            _members.Add(new Member("top-level statements", topLevelFirst, topLevelLast - topLevelFirst + 1));
    }

    /// <summary>Text up to the first <c>{</c>, <c>;</c> or <c>}</c> outside parentheses, brackets and attributes.</summary>
    private string Header(out char end)
    {
        int start = _at;
        int depth = 0;
        for (; _at < _code.Length; Move())
        {
            char c = _code[_at];
            depth += c switch { '(' or '[' => 1, ')' or ']' => -1, _ => 0 };
            if (depth == 0 && c is '{' or '}' or ';')
                break;
        }

        end = _at < _code.Length ? _code[_at] : '\0';
        return _code[start.._at];
    }

    /// <summary>From the end of a header to the last character of the member: its closing brace or its semicolon.</summary>
    private void Rest(char end)
    {
        if (end != '{')
            return;
        int depth = 0;
        for (; _at < _code.Length; Move())
        {
            depth += _code[_at] switch { '{' => 1, '}' => -1, _ => 0 };
            if (depth == 0)
                break;
        }
    }

    private bool SkipBlanks()
    {
        while (_at < _code.Length && char.IsWhiteSpace(_code[_at]))
            Move();
        return _at < _code.Length;
    }

    private bool SkipAttributes()
    {
        while (_at < _code.Length && _code[_at] == '[')
        {
            int depth = 0;
            do
            {
                depth += _code[_at] switch { '[' => 1, ']' => -1, _ => 0 };
                Move();
            }
            while (_at < _code.Length && depth > 0);
            SkipBlanks();
        }

        return _at < _code.Length;
    }

    private void Move()
    {
        if (_at < _code.Length && _code[_at] == '\n')
            _line++;
        _at++;
    }

    /// <summary>Whether an equals sign that is not an arrow stands before the body: <c>= new() { … }</c>.</summary>
    private static bool IsInitialiser(string header)
    {
        int depth = 0;
        for (int i = 0; i < header.Length; i++)
        {
            depth += header[i] switch { '(' or '[' => 1, ')' or ']' => -1, _ => 0 };
            bool arrow = i + 1 < header.Length && header[i + 1] == '>';
            bool comparison = i > 0 && header[i - 1] is '=' or '!' or '<' or '>' || (i + 1 < header.Length && header[i + 1] == '=');
            if (depth == 0 && header[i] == '=')
                return !arrow && !comparison;
        }

        return false;
    }

    private static string NameOf(string header)
    {
        Match name = BeforeParenthesis().Match(header);
        return name.Success ? name.Groups[1].Value : header.Split("=>")[0].Trim().Split(' ', '\n')[^1];
    }

    [GeneratedRegex(@"(^|\s)((namespace|class|struct|record|interface|enum)\s+(?!where\b)\w|extension\s*\()")]
    private static partial Regex DeclaresContainer();

    [GeneratedRegex(@"^\s*(using\s+[^(]*|namespace\s.*|#.*|\[assembly.*|.*\b(class|struct|record|interface|enum|delegate)\s.*)?$", RegexOptions.Singleline)]
    private static partial Regex IsDeclarationOnly();

    [GeneratedRegex(@"([\w.<>~]+)\s*\(")]
    private static partial Regex BeforeParenthesis();
}
