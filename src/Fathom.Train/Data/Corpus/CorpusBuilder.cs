using System.Security.Cryptography;
using System.Text;

namespace Fathom.Train.Data.Corpus;

/// <summary>Makes the training and held-out texts from unpacked Debian packages.</summary>
public static class CorpusBuilder
{
    /// <summary>Between the runs of a *.runs.txt: a document ends there.</summary>
    public const string RunSeparator = "\f\n";

    /// <summary>A held-out block of which a larger share occurs in training text stops the build.</summary>
    private const double ShareMax = 0.5;

    /// <summary>Of the held-out text of the first five sources, on which all models are compared.</summary>
    private const string HeldOutSha256 = "f4a54d07ba65c66b44ed4568b42a3db6dc2d0b8c09b744d22a4fa819b93c4ada";

    /// <summary>Reads the packages and writes the corpus; reports sizes and hashes line by line.</summary>
    /// <param name="packages">folder with the unpacked packages and kjv.raw</param> <param name="output">folder for the texts</param>
    /// <param name="report">gets a line per figure</param>
    /// <exception cref="InvalidDataException">The held-out text is not the known one, or a block of it occurs in a training text.</exception>
    public static void Build(string packages, string output, Action<string> report)
    {
        ArgumentNullException.ThrowIfNull(report);
        Directory.CreateDirectory(output);
        TextBlocks core = Core(packages);
        (string Name, TextBlocks Blocks)[] extras = [("wordnet", Extra("wordnet", ExtraSources.WordNet(Path.Combine(packages, "usr/share/wordnet")))),
            ("python", Extra("python", ExtraSources.PythonDocumentation(Path.Combine(packages, "usr/share/doc/python3.11/html/_sources"))))];

        var check = new OverlapCheck();
        foreach (string block in core.HeldOut().Concat(extras.SelectMany(extra => extra.Blocks.HeldOut())))
            check.AddHeldOut(block);

        var training = new List<string>(core.TrainingRuns());
        string found = Write(output, "heldout.txt", string.Concat(core.HeldOut()), report);
        if (found != HeldOutSha256)
        {
            throw new InvalidDataException($"heldout.txt: expected the SHA-256 {HeldOutSha256}, found {found}. Figures would not compare with those of "
                + "other models, and their held-out text could be trained on. Are the packages Debian 12's?");
        }

        Write(output, "train.txt", string.Join('\n', training), report);
        foreach (SourceNotice source in SourceNotice.All)
        {
            TextBlocks blocks = Array.Find(extras, extra => extra.Name == source.Name).Blocks ?? core;
            IReadOnlyList<string> runs = blocks.TrainingRuns(source.Name);
            if (blocks != core)
            {
                // Beyond the fixed recipe no paragraph that shares 13 words with held-out text gets in at all.
                runs = [.. runs.Select(run => Without(run, check)).Where(run => run.Length > 0)];
                training.AddRange(runs);
            }

            Write(output, $"{source.Name}.runs.txt", string.Join(RunSeparator, runs), report);
            Write(output, $"{source.Name}.heldout.txt", string.Concat(blocks.HeldOut(source.Name)), report);
            string licence = File.ReadAllText(Path.Combine(packages, "usr/share/doc", source.Package, "copyright"));
            File.WriteAllText(Path.Combine(output, $"{source.Name}.NOTICE"), $"{source.Text}\nThe package's own statement:\n\n{licence}");
        }

        IReadOnlyList<double> shares = check.Shares(training);
        report($"blocks {core.Count}, held out {core.HeldOut().Count}; runs of 13 words of a held-out block that training text has too: "
            + $"mean {shares.Average():P2}, most {shares.Max():P1}");
        if (shares.Max() > ShareMax)
            throw new InvalidDataException($"A held-out block occurs in the training text: {shares.Max():P1} of its runs of 13 words, expected at most {ShareMax:P0}.");
    }

    private static TextBlocks Core(string packages)
    {
        string dictionaries = Path.Combine(packages, "usr/share/dictd");
        var blocks = new TextBlocks();
        blocks.Add("kjv", Sources.KingJames(File.ReadAllText(Path.Combine(packages, "kjv.raw"))));
        blocks.Add("web", Sources.WorldEnglish(Path.Combine(packages, "usr/share/sword/modules/texts/ztext/engWEB2015eb")));
        blocks.Add("austen", Sources.Austen(Path.Combine(packages, "usr/lib/R/site-library/janeaustenr/data")));
        blocks.Add("jargon", Sources.Jargon(Sources.ReadDictionary(Path.Combine(dictionaries, "jargon.dict.dz"))));
        blocks.Add("devil", Sources.Devil(Sources.ReadDictionary(Path.Combine(dictionaries, "devil.dict.dz"))));
        return blocks;
    }

    private static TextBlocks Extra(string name, IEnumerable<string> paragraphs)
    {
        var blocks = new TextBlocks();
        blocks.Add(name, paragraphs);
        return blocks;
    }

    private static string Without(string run, OverlapCheck check) =>
        string.Concat(run.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Where(p => !check.Touches(p)).Select(p => p + "\n\n"));

    private static string Write(string folder, string name, string text, Action<string> report)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        File.WriteAllBytes(Path.Combine(folder, name), bytes);
        string hash = Convert.ToHexStringLower(SHA256.HashData(bytes));
        report($"{name,-22} {bytes.Length,11:N0} bytes  sha256 {hash}");
        return hash;
    }
}

/// <summary>Where a source comes from and on what terms.</summary>
internal sealed record SourceNotice(string Name, string Package, string Text)
{
    public static SourceNotice[] All { get; } =
    [
        new("kjv", "bible-kjv-text", "King James Bible (1611), public domain. From the Debian packages bible-kjv and bible-kjv-text.\n"),
        new("web", "sword-text-web", "Derived from the World English Bible with Deuterocanon, public domain, Debian package sword-text-web. "
            + "The text is changed (notes and headings removed, ASCII only), so it is not the World English Bible and must not be called so.\n"),
        new("austen", "r-cran-janeaustenr", "Jane Austen, six novels, public domain (Project Gutenberg). From the Debian package r-cran-janeaustenr; the package is MIT.\n"),
        new("jargon", "dict-jargon", "The Jargon File 4.4.7, public domain. From the Debian package dict-jargon.\n"),
        new("devil", "dict-devil", "Ambrose Bierce, The Devil's Dictionary (1911), public domain. From the Debian package dict-devil.\n"),
        new("wordnet", "wordnet-base", "Glosses of WordNet 3.0, Copyright 2006 by Princeton University. All rights reserved. Used under the WordNet licence, which permits "
            + "use, copying, modification and distribution for any purpose without fee, with this notice. THE DATABASE IS PROVIDED \"AS IS\" WITHOUT "
            + "REPRESENTATIONS OR WARRANTIES. The name of Princeton University may not be used in advertising. From the Debian package wordnet-base.\n"),
        new("python", "python3.11-doc", "Python 3.11 documentation, Copyright 2001-2023 Python Software Foundation; All Rights Reserved. Used under the PSF License Agreement, "
            + "which permits distribution and derivative works with this notice. Changed: prose only, marks removed. From the Debian package python3.11-doc.\n"),
    ];
}
