namespace Fathom.Tests;

/// <summary>Paths of files in the repository, found by walking up to the folder that holds Fathom.slnx.</summary>
internal static class TestFiles
{
    private static readonly string s_root = FindRoot();

    public static string Path(params string[] parts) => System.IO.Path.Combine([s_root, .. parts]);

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(System.IO.Path.Combine(folder.FullName, "Fathom.slnx")))
        {
            folder = folder.Parent;
        }
        return folder?.FullName ?? throw new FileNotFoundException($"Fathom.slnx: not found in {AppContext.BaseDirectory} or above it.");
    }
}
