#!/usr/bin/env dotnet
#:project ../../src/Fathom/Fathom.csproj
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false

// dotnet run tools/experiments/reading.cs -- IN.csv OUT.svg: draws what `fathom prefill --csv IN.csv` wrote: speed and memory by tokens read.
using System.Globalization;
using Fathom.Pictures;

const int Width = 760, Height = 340, Left = 80, Right = 90, Top = 50, Bottom = 50, GridLines = 4;
double[][] rows = [.. File.ReadLines(args[0]).Skip(1).Select(line => line.Split(',').Select(cell => double.Parse(cell, CultureInfo.InvariantCulture)).ToArray())];
double tokens = rows[^1][0], speed = rows.Max(row => row[2]), memory = rows.Max(row => row[3]) / 1e9;
double X(double at) => Left + ((Width - Left - Right) * at / tokens);
double Y(double value, double most) => Height - Bottom - ((Height - Top - Bottom) * value / most);

var svg = new SvgPicture(Width, Height);
svg.Text(Left, 24, string.Create(CultureInfo.InvariantCulture, $"{tokens:N0} tokens read in {rows[^1][1]:N0} s"), size: 14);
svg.Text(Left, Top - 8, "tokens/s", fill: "#cc3311");
svg.Text(Width - Right, Top - 8, "GB of memory", TextAnchor.End, "#4477aa");
for (int i = 0; i <= GridLines; i++)
{
    double part = (double)i / GridLines, y = Y(part, 1);
    svg.Line([(Left, y), (Width - Right, y)], "#ddd");
    svg.Text(Left - 8, y + 4, (part * speed).ToString("N0", CultureInfo.InvariantCulture), TextAnchor.End, "#cc3311");
    svg.Text(Width - Right + 8, y + 4, (part * memory).ToString("F2", CultureInfo.InvariantCulture), fill: "#4477aa");
    svg.Text(X(part * tokens), Height - Bottom + 18, (part * tokens).ToString("N0", CultureInfo.InvariantCulture), TextAnchor.Middle, "#555");
}

svg.Line(rows.Select(row => (X(row[0]), Y(row[2], speed))), "#cc3311");
svg.Line(rows.Select(row => (X(row[0]), Y(row[3] / 1e9, memory))), "#4477aa");
File.WriteAllText(args[1], svg.ToString());
