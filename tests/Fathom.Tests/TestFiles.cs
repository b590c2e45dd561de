namespace Fathom.Tests;

/// <summary>Paths of files in the repository, found from the folder that holds the solution.</summary>
internal static class TestFiles
{
    private static readonly string s_root = FindRoot();

    /// <summary>The full path of a file or folder given by its parts below the repository's root.</summary>
    public static string Path(params string[] parts) => System.IO.Path.Combine([s_root, .. parts]);

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "Fathom.slnx")))
                return folder.FullName;
        }

        throw new InvalidOperationException($"No folder above {AppContext.BaseDirectory} holds Fathom.slnx.");
    }
}
