"""A registry of images on loopback, which asks for a login: Debian's package of the reference one."""

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from servers.server import CACHE, daemon, free_ports, wait_for_port

REGISTRY = CACHE / "registry"
USER, PASSWORD = "tester", "testing"
# bcrypt of the password, as htpasswd writes it.
ENTRY = "$2b$04$1A6vUSMTMhswBGrBMNWbduBBCkuINFscQBmbBlVJnkFtv4S6fm5aq"
CONFIG = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: "{folder}/data"}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: test, path: "{folder}/htpasswd"}}}}
"""


@dataclass(frozen=True)
class Registry:
    """A running registry; its images are private."""

    host: str

    def login(self, folder: Path, password: str = PASSWORD) -> Path:
        """A folder for $DOCKER_CONFIG with what `docker login` writes."""
        folder.mkdir(parents=True, exist_ok=True)
        auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
        (folder / "config.json").write_text(json.dumps({"auths": {self.host: {"auth": auth}}}))
        return folder


@contextmanager
def running_registry(folder: Path) -> Iterator[Registry]:
    """A registry with its data in a folder; ends with the block."""
    (port,) = free_ports(1)
    (folder / "htpasswd").write_text(f"{USER}:{ENTRY}\n")
    config, log = folder / "config.yml", folder / "registry.log"
    config.write_text(CONFIG.format(folder=folder, port=port))
    command = [REGISTRY / "root" / "usr" / "bin" / "docker-registry", "serve", config]
    with daemon(command, os.environ, log) as process:
        wait_for_port(port, process, log)
        yield Registry(f"127.0.0.1:{port}")
