#!/usr/bin/env bash
# Makes the base image of the tests, for machines that can't pull one: a small Debian with Python, imported as the image
# named by the first argument. As root, on a Debian-like machine with debootstrap; about 45 s, then kept in ~/.cache.
# It gets this machine's settings for apt and pip (mirror, proxies, certificates), so that builds reach what it reaches;
# pip's as $PYTHON, else python3, knows them.
set -euo pipefail
name=$1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/codecjob-servers
mkdir -p "$cache"
suite=bookworm
mirror=$(apt-get indextargets --format '$(SITE)' 'Codename: bookworm' 'Created-By: Packages' 2>/dev/null | sort -u | head -1)

archive=$cache/base-$(sha256sum "$0" | cut -c1-12).tar
if [ ! -e "$archive" ]; then
    root=$(mktemp -d "$cache/base.XXXXXX")
    trap 'rm -rf "$root"' EXIT
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv \
        "$suite" "$root" ${mirror:+"$mirror"} >"$cache/base.log" 2>&1 ||
        { echo "debootstrap failed: $(tail -1 "$cache/base.log")" >&2; exit 1; }
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/*
    apt-config dump | grep -E '^Acquire::(http|https)::Proxy' >"$root/etc/apt/apt.conf.d/90proxy" || true
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
    tar -C "$root" --numeric-owner -cf "$archive.part" .
    mv "$archive.part" "$archive"
fi

# pip's settings by its own command; paths of this machine would mean nothing in a container.
settings=(-c "ENV PIP_DISABLE_PIP_VERSION_CHECK=1")
for key in index-url extra-index-url trusted-host proxy; do
    variable=PIP_$(tr a-z- A-Z_ <<<"$key")
    value=${!variable:-$("${PYTHON:-python3}" -m pip config get "global.$key" 2>/dev/null || true)}
    value=$(xargs -n1 <<<"$value" | sed '/^file:/d' | xargs)
    [ -z "$value" ] || settings+=(-c "ENV $variable=\"$value\"")
done
docker import "${settings[@]}" -c 'ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' \
    -c 'ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt' "$archive" "$name" >/dev/null
