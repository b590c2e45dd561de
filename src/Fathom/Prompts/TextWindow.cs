namespace Fathom.Prompts;

/// <summary>Text that has arrived and is not yet understood: grows at the end, shrinks at the start, both cheaply.</summary>
internal sealed class TextWindow
{
    private char[] _buffer = new char[256];
    private int _start;
    private int _end;

    public ReadOnlySpan<char> Text => _buffer.AsSpan(_start, _end - _start);

    public void Append(string text)
    {
        if (_end + text.Length > _buffer.Length)
        {
            char[] target = _end - _start + text.Length <= _buffer.Length / 2 ? _buffer : new char[2 * (_end - _start + text.Length)];
            Text.CopyTo(target);
            (_buffer, _start, _end) = (target, 0, _end - _start);
        }
        text.CopyTo(_buffer.AsSpan(_end));
        _end += text.Length;
    }

    public void Drop(int count) => _start += count;
}
