#!/bin/sh
# Builds the training corpus: tools/corpus/build.sh [OUTPUT]. Needs Debian's apt-get and dpkg-deb, and .NET; nothing is installed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}
out=${1:-$cache/fathom/corpus}
mkdir -p "$out/packages/root"
out=$(cd "$out" && pwd)

cd "$out/packages"
for package in bible-kjv bible-kjv-text sword-text-web r-cran-janeaustenr dict-jargon dict-devil wordnet-base python3.11-doc; do
    set -- "${package}"_*.deb
    [ -e "$1" ] || apt-get -q download "$package"
    for file in "${package}"_*.deb; do dpkg-deb -x "$file" root; done
done
root/usr/bin/bible -p root/usr/lib gen1:1-rev22:21 > root/kjv.raw

cd "$here/../.."
dotnet run tools/corpus/corpus.cs -- "$out/packages/root" "$out" "$out/tokenizer"
