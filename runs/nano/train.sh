#!/usr/bin/env bash
# Trains fathom-nano, fifth edition, from nothing, about ten hours on two cores: runs/nano/train.sh DIR. Each part goes on where it was stopped; finished ones end at once.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(realpath -m "${1:?usage: runs/nano/train.sh DIR}")
fathom() { dotnet run -c Release --project src/Fathom.Cli -- "$@"; }
[ -d runs/corpus/tokenizer ] || tools/corpus/build.sh runs/corpus
mkdir -p "$out"
part() { # CONFIG FOLDER: configs name "second", "third", "mean" and so on as folders beside them
    sed -E "s#\"config.json\"#\"$PWD/runs/nano/config.json\"#; s#\"\.\./corpus#\"$PWD/runs/corpus#g; s#(\"startFrom\"|\"folder\"): \"([a-z]+)\"#\1: \"$out/\2/model\"#g" \
        "runs/nano/$1.json" > "$out/$1.json"
    fathom train --config "$out/$1.json" --output "$out/$2"
}
part first second
part second second
part third third
part fourth fourth
part mean mean
part fifth fifth
part sixth sixth
part blend blend
part seventh seventh
part eighth eighth
part bundled bundled
fathom quantize "$out/bundled/model" "$out/fathom-nano" --format official
