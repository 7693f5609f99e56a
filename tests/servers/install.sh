#!/usr/bin/env bash
# Fetches the servers that the tests start on loopback, into a cache; installs nothing into the system.
#   swift    OpenStack Swift, in a virtual environment of its own
#   radosgw  Ceph's S3 gateway: Debian's packages, unpacked (needs apt; elsewhere its tests are skipped)
#   registry a registry of container images, in the same way
# Each folder is named by what it holds and appears only when it is complete. About 20 s, 350 MB.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/codecjob-servers
mkdir -p "$cache"

swift=$cache/swift-$(sha256sum "$here/requirements-swift.txt" | cut -c1-12)
if [ ! -e "$swift/ready" ]; then
    rm -rf "$swift"
    "${PYTHON:-python3}" -m venv "$swift"
    "$swift/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements-swift.txt"
    touch "$swift/ready"
fi

radosgw=$cache/radosgw
if [ ! -e "$radosgw/ready" ]; then
    if ! command -v apt-get dpkg >/dev/null; then
        echo "radosgw: left out, it is taken from Debian's packages and this is no Debian" >&2
        exit 0
    fi
    [ -n "$(apt-cache madison radosgw)" ] || apt-get update -qq
    rm -rf "$radosgw" && mkdir -p "$radosgw/packages"
    # What it would install, without what belongs to a running system.
    names=$(apt-get -s install --no-install-recommends radosgw ceph-osd ceph-mon |
        awk '/^Inst/ {print $2}' | grep -Ev 'systemd|udev|init|dbus|adduser|sudo')
    # shellcheck disable=SC2086  # a list of words
    (cd "$radosgw/packages" && apt-get -qq -o APT::Sandbox::User=root download $names)
    for package in "$radosgw"/packages/*.deb; do dpkg -x "$package" "$radosgw/root"; done
    rm -rf "$radosgw/packages"
    touch "$radosgw/ready"
fi

registry=$cache/registry
if [ ! -e "$registry/ready" ]; then
    [ -n "$(apt-cache madison docker-registry)" ] || apt-get update -qq
    rm -rf "$registry" && mkdir -p "$registry"
    (cd "$registry" && apt-get -qq -o APT::Sandbox::User=root download docker-registry && dpkg -x ./*.deb root && rm ./*.deb)
    touch "$registry/ready"
fi
