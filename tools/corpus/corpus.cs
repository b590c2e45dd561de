#!/usr/bin/env dotnet
#:project ../../src/Fathom.Train/Fathom.Train.csproj
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false

// dotnet run tools/corpus/corpus.cs -- PACKAGES OUTPUT [TOKENIZER]: texts from unpacked packages; with TOKENIZER also a vocabulary of 4,096 learnt from them.
using Fathom.Text;
using Fathom.Train.Data;
using Fathom.Train.Data.Corpus;

if (args.Length is not (2 or 3))
{
    Console.Error.WriteLine("Usage: dotnet run tools/corpus/corpus.cs -- PACKAGES OUTPUT [TOKENIZER]. tools/corpus/build.sh does all steps.");
    return 2;
}

CorpusBuilder.Build(args[0], args[1], Console.WriteLine);
if (args.Length == 2)
    return 0;

var trainer = new BpeTrainer();
string[] files = [.. Directory.GetFiles(args[1], "*.runs.txt").Order(StringComparer.Ordinal)];
foreach (string file in files)
    trainer.Add(File.ReadAllBytes(file));
Directory.CreateDirectory(args[2]);
TokenizerWriter.Write(trainer.Train(4096), args[2]);

Tokenizer tokenizer = Tokenizer.Load(args[2]);
foreach (string file in files)
{
    string name = Path.GetFileName(file)[..^".runs.txt".Length];
    TokenDataset dataset = TokenDataset.Tokenize(File.ReadAllText(file).Split(CorpusBuilder.RunSeparator), tokenizer);
    dataset.Save(Path.Combine(args[1], name + ".tokens"));
    Console.WriteLine($"{name,-10} {dataset.Documents,6:N0} runs {dataset.Tokens,12:N0} tokens {(double)new FileInfo(file).Length / dataset.Tokens:F3} bytes per token");
}

return 0;
