"""A store in memory, which keeps the store's contract and can be told to fail."""

import functools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from infra.store import NotFound, ObjectInfo, keys

# A history uses the same few keys again and again; what is refused is not remembered.
check_key = functools.lru_cache(maxsize=10_000)(keys.check_key)
check_prefix = functools.lru_cache(maxsize=10_000)(keys.check_prefix)


class MemoryStore:
    """See `infra.store.base.Store`. ``before`` and ``after`` are called around each method, with its name."""

    def __init__(self, name: str, clock: Callable[[], float] = time.time) -> None:
        self.url = f"memory://{name}"
        self.clock = clock
        self.objects: dict[str, tuple[bytes, float]] = {}
        self.lock = threading.Lock()
        self.before: Callable[[str], None] = lambda method: None
        self.after: Callable[[str], None] = lambda method: None

    def put(self, key: str, data: bytes) -> None:
        check_key(key)
        self.before("put")
        with self.lock:
            self.objects[key] = (bytes(data), self.clock())
        self.after("put")

    def create(self, key: str, data: bytes) -> bool:
        check_key(key)
        self.before("create")
        with self.lock:
            free = key not in self.objects
            if free:
                self.objects[key] = (bytes(data), self.clock())
        self.after("create")
        return free

    def get(self, key: str) -> bytes:
        check_key(key)
        self.before("get")
        try:
            return self.objects[key][0]
        except KeyError:
            raise NotFound(f"{key} is not in {self.url}") from None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        check_prefix(prefix)
        self.before("list")
        with self.lock:
            found = sorted((key, *each) for key, each in self.objects.items() if key.startswith(prefix))
        return (ObjectInfo(key, len(data), modified) for key, data, modified in found if key in self.objects)

    def folders(self, prefix: str) -> Sequence[str]:
        check_prefix(prefix)
        self.before("folders")
        with self.lock:
            below = [key.removeprefix(prefix) for key in self.objects if key.startswith(prefix)]
        return sorted({key.split("/", 1)[0] for key in below if "/" in key})

    def upload(self, path: Path, key: str) -> None:
        check_key(key)
        self.put(key, path.read_bytes())

    def download(self, key: str, path: Path) -> None:
        data = self.get(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.with_name(f".tmp-{path.name}")
        whole.write_bytes(data)
        whole.replace(path)

    def delete(self, key: str) -> None:
        check_key(key)
        self.before("delete")
        with self.lock:
            self.objects.pop(key, None)
        self.after("delete")

    def sweep(self, prefix: str, older_seconds: float) -> int:
        check_prefix(prefix)
        return 0
