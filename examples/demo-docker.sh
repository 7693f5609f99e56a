#!/bin/sh
# The quickstart in a container of the pod's image, on the Docker engine that DOCKER_HOST names, by default this machine's.
# `make demo-docker` calls this with .venv/bin on the PATH.
set -eu
cd "$(dirname "$0")"

echo "== The image, from this source; 2 to 5 minutes the first time, then seconds"
codecjob image build ${BASE_IMAGE:+--base-image "$BASE_IMAGE"}

echo
echo "== A good run in a container: quickstart-docker.yaml"
codecjob submit quickstart-docker.yaml

echo
echo "== What is left of it: the record, and no container"
codecjob status
good=$(codecjob status @last --json | sed -n 's/^  "run": "\(.*\)",$/\1/p')
codecjob status "$good" --json | grep -q '"billing": "off"'
codecjob pull "$good" "../demo-output/$good"
