# shellcheck shell=bash
# Sourced by .ci/run: starts a Docker engine, as root, unless one answers already, and ends it with the shell, by its PID.
# Without one the tests of containers say so; here it is one line.
if ! docker info >/dev/null 2>&1; then
    engine_log=$(mktemp)
    dockerd >"$engine_log" 2>&1 &
    engine=$!
    # shellcheck disable=SC2064  # this very PID
    trap "kill $engine 2>/dev/null || true; timeout 60 tail --pid=$engine -f /dev/null || kill -9 $engine 2>/dev/null || true; rm -f $engine_log" EXIT
    for _ in $(seq 120); do
        docker info >/dev/null 2>&1 && break
        kill -0 "$engine" 2>/dev/null || break
        sleep 0.5
    done
    docker info >/dev/null 2>&1 ||
        echo "dockerd does not start on this machine, so the tests of containers will fail: $(tail -1 "$engine_log")" >&2
fi
