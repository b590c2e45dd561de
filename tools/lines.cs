#!/usr/bin/env dotnet
#:include SourceText.cs
#:include MemberScanner.cs
#:include SourceSize.cs
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false

// dotnet run tools/lines.cs: prints the lines of code of each project and the longest file and method; fails when one is over its limit.
using System.Runtime.CompilerServices;
using Fathom.Tools;

string root = Path.GetFullPath(Path.Combine(FolderOfThisFile(), ".."));
IReadOnlyList<SourceFile> files = SourceSize.Measure(root);

Console.WriteLine($"{"project",-28}{"files",6}{"code",9}{"all",9}");
foreach (IGrouping<string, SourceFile> project in files.GroupBy(ProjectOf).OrderBy(p => p.Key, StringComparer.Ordinal))
    Print(project.Key, [.. project]);
Print("total", files);

SourceFile longest = files.MaxBy(f => f.Lines)!;
(SourceFile file, Member method) = files.SelectMany(f => f.Members.Select(m => (f, m))).MaxBy(pair => pair.m.Lines);
Console.WriteLine($"longest file    {longest.Lines,4} of {SourceSize.FileLimit}  {longest.Path}");
Console.WriteLine($"longest method  {method.Lines,4} of {SourceSize.MethodLimit}   {file.Path}({method.FirstLine}) {method.Name}");

string[] violations = [.. SourceSize.Violations(files)];
foreach (string violation in violations)
    Console.Error.WriteLine(violation);
return violations.Length == 0 ? 0 : 1;

static void Print(string name, IReadOnlyCollection<SourceFile> of) =>
    Console.WriteLine($"{name,-28}{of.Count,6:N0}{of.Sum(f => f.CodeLines),9:N0}{of.Sum(f => f.Lines),9:N0}");

static string ProjectOf(SourceFile file) => file.Path.Split('/') is [var area, var project, _, ..] ? $"{area}/{project}" : file.Path.Split('/')[0];

static string FolderOfThisFile([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
