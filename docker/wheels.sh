#!/bin/sh
# Makes /opt/codecjob, a virtual environment with the locked wheels and no pip: one layer of the image.
# Takes TORCH, CUDA and TORCH_INDEX from the environment; see the Dockerfile.
set -eu
here=/opt/codecjob
lock=$here/requirements.lock

python3 -m venv "$here"
if [ -n "${TORCH_INDEX:-}" ]; then
    # Packages whose builds belong to one CUDA version come from that index, pinned by torch itself.
    awk '/^[a-z]/ {skip = /^(torch|torchaudio|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==/} !skip' "$lock" >"$lock.rest"
    "$here/bin/pip" install --no-cache-dir --require-hashes -r "$lock.rest"
    "$here/bin/pip" install --no-cache-dir --index-url "$TORCH_INDEX" "torch==$TORCH" "torchaudio==$TORCH"
else
    "$here/bin/pip" install --no-cache-dir --require-hashes -r "$lock"
fi

"$here/bin/python" - "$TORCH" "$CUDA" <<'CHECK'
import sys, torch, torchaudio
came = torch.__version__.partition("+")[0], torch.version.cuda
if came != tuple(sys.argv[1:]):
    sys.exit(f"asked for torch {sys.argv[1]} with CUDA {sys.argv[2]}, got {came[0]} with CUDA {came[1]}")
CHECK

"$here/bin/pip" uninstall --quiet --yes pip
rm -rf "$lock" "$lock.rest" "$here/wheels.sh" /root/.cache /tmp/*
