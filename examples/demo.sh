#!/bin/sh
# The main job, twice, on this machine: a good run that passes the checklist and a bad one that it stops.
# `make demo` calls this with .venv/bin on the PATH.
set -eu
cd "$(dirname "$0")"

echo "== A good run: quickstart.yaml"
codecjob submit quickstart.yaml

good=$(codecjob status @last --json | sed -n 's/^  "run": "\(.*\)",$/\1/p')
out=../demo-output/$good
codecjob pull "$good" "$out"

echo
echo "== A bad run: bad-run.yaml, which differs from the good one in its learning rate"
code=0
codecjob submit bad-run.yaml || code=$?
# 21: bad, stopped, and nothing is billed any more.
if [ "$code" -ne 21 ]; then
    echo "the bad run should have been stopped with exit code 21, not $code" >&2
    exit 1
fi

echo
echo "== Both, as codecjob sees them"
codecjob status

newest=$(ls "$out/samples" | tail -n 1)
cat <<END

What next:
  listen     $(cd "$out" && pwd)/samples/$newest/0-original.wav and 0-decoded.wav
  look       .venv/bin/codecjob status @last
             .venv/bin/codecjob check demo-output/$good/metrics.jsonl --spec examples/quickstart.yaml
  your own   cp examples/quickstart.yaml my-run.yaml; set data: to a folder of wav, flac, ogg or mp3 files
             .venv/bin/codecjob submit my-run.yaml
END
