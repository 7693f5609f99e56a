"""Images with nothing in them but labels, for tests of registries."""

import hashlib
import io
import json
import uuid
from typing import Any

import requests

import docker
from servers.registry import PASSWORD, USER, Registry

LABELS = {
    "org.opencontainers.image.version": "1.2.3",
    "org.opencontainers.image.revision": "abc",
    "codecjob.torch": "2.11.0",
    "codecjob.cuda": "13.0",
}


def empty_image(engine: docker.DockerClient, tag: str, labels: dict[str, str]) -> None:
    dockerfile = io.BytesIO(b"FROM scratch\nENV UNIQUE=" + tag.encode())
    engine.images.build(fileobj=dockerfile, tag=tag, labels=labels, rm=True)


def push_empty(engine: docker.DockerClient, registry: Registry, folder: str, labels: dict[str, str] = LABELS) -> str:
    """Pushes an image of a new name, and keeps none of it on the engine; its name without the host."""
    name = f"{folder}/codecjob:{uuid.uuid4().hex}"
    tag = f"{registry.host}/{name}"
    empty_image(engine, tag, labels)
    try:
        login = {"username": USER, "password": PASSWORD}
        for event in engine.api.push(tag, stream=True, decode=True, auth_config=login):
            assert "error" not in event, event
    finally:
        engine.images.remove(tag, force=True)
    return name


def put_manifest(registry: Registry, name: str, kind: str, manifest: dict[str, Any]) -> None:
    """Writes what no engine here would push, under a name without the host."""
    repository, tag = name.split(":")
    done = requests.put(
        f"http://{registry.host}/v2/{repository}/manifests/{tag}",
        data=json.dumps({"schemaVersion": 2, "mediaType": kind, **manifest}),
        headers={"Content-Type": kind},
        auth=(USER, PASSWORD),
        timeout=300,
    )
    assert done.status_code == 201, done.text


def put_blob(registry: Registry, repository: str, content: bytes) -> dict[str, Any]:
    """Writes a blob; how a manifest names it."""
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    with requests.Session() as session:
        session.auth = (USER, PASSWORD)
        place = session.post(f"http://{registry.host}/v2/{repository}/blobs/uploads/", timeout=300).headers["Location"]
        done = session.put(place, params={"digest": digest}, data=content, timeout=300)
    assert done.status_code == 201, done.text
    return {"digest": digest, "size": len(content)}


def get_manifest(registry: Registry, name: str, kind: str) -> bytes:
    """As the registry has it."""
    url = f"http://{registry.host}/v2/{name.replace(':', '/manifests/')}"
    return requests.get(url, headers={"Accept": kind}, auth=(USER, PASSWORD), timeout=300).content
