"""codecjob's part of the bench, as a process: python -m tests.bench.sync.worker VERB STORE PATH [DATASET]."""

import sys
from pathlib import Path

from infra.store import open_store
from job import dataset

CHECKPOINT = "checkpoint.bin"


def main(verb: str, url: str, path: Path, dataset_id: str = "") -> None:
    """`push` and `pull` are of clips, `up` and `down` of a checkpoint."""
    store = open_store(url)
    if verb == "push":
        data = dataset.look_at(path, 16000)
        sys.stdout.write(dataset.push(store, data).dataset_id)
    elif verb == "look":
        dataset.look_at(path, 16000)
    elif verb == "pull":
        dataset.pull(store, dataset_id, path)
    elif verb == "up":
        store.upload(path, CHECKPOINT)
    else:
        store.download(CHECKPOINT, path)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), *sys.argv[4:])
