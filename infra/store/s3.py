"""A store in a bucket of AWS S3, or of any server that speaks its protocol."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.store.base import InvalidKey, NotFound, ObjectInfo
from infra.store.credentials.session import Session
from infra.store.keys import check_key, check_prefix
from infra.store.s3_answers import part_of
from infra.store.s3_client import make_client
from infra.store.s3_create import create_object, has_conditions
from infra.store.s3_delete import delete_object
from infra.store.s3_download import download_file, fingerprint, read_object
from infra.store.s3_errors import explained, is_missing
from infra.store.s3_listing import by_code_points, with_objects
from infra.store.s3_upload import abort_uploads, upload_file
from infra.store.s3_url import parse_s3_url


class S3Store:
    """The store below one prefix of a bucket, which has to exist. See `infra.store.base.Store` for the promises.

    Credentials, and whatever the URL leaves open, come from AWS's own environment and files, on every machine that
    opens the URL. docs/storage.md says what `create` promises where the server has no conditional writes.
    """

    def __init__(self, url: str, keys: Session | None = None) -> None:
        """`keys` are used instead of those that AWS's rules find."""
        self.location = parse_s3_url(url)
        self.url = self.location.url
        self._client = make_client(self.location, keys)
        self._begun: dict[str, str] = {}

    @property
    def has_conditions(self) -> bool | None:
        """Whether `create` uses conditional writes; None before the first."""
        return has_conditions(self._client, self.location.bucket)

    def put(self, key: str, data: bytes) -> None:
        """See `Store.put`."""
        check_key(key)
        with explained("write", self.location, key):
            self._client.put_object(
                Bucket=self.location.bucket, Key=self._full(key), Body=data, Metadata=fingerprint(data)
            )

    def create(self, key: str, data: bytes) -> bool:
        """See `Store.create`."""
        check_key(key)
        with explained("create", self.location, key):
            return create_object(self._client, self.location.bucket, self._full(key), data)

    def get(self, key: str) -> bytes:
        """See `Store.get`."""
        check_key(key)
        with self._reading(key):
            return read_object(self._client, self.location.bucket, self._full(key))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Store.list`."""
        check_prefix(prefix)
        return self._walk(prefix)

    def folders(self, prefix: str) -> Sequence[str]:
        """See `Store.folders`."""
        check_prefix(prefix)
        start = len(self._full(prefix))
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.location.bucket, Prefix=self._full(prefix), Delimiter="/"
        )
        with explained("list", self.location, prefix):
            found = {part_of(item, "Prefix")[start:-1] for page in pages for item in page.get("CommonPrefixes", [])}
            names = sorted(name for name in found if _is_key(name))
            return with_objects(self._client, self.location.bucket, self._full(prefix), names)

    def upload(self, path: Path, key: str) -> None:
        """See `Store.upload`."""
        check_key(key)
        with explained("write", self.location, key):
            upload_file(self._client, self.location.bucket, self._full(key), path, self._begun)

    def download(self, key: str, path: Path) -> None:
        """See `Store.download`."""
        check_key(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._reading(key):
            download_file(self._client, self.location.bucket, self._full(key), path)

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        check_key(key)
        with explained("delete", self.location, key):
            delete_object(self._client, self.location.bucket, self._full(key))

    def sweep(self, prefix: str, older_seconds: float) -> int:
        """See `Store.sweep`. What is left here is the parts of uploads that were never finished."""
        check_prefix(prefix)
        with explained("clean", self.location, prefix):
            before = time.time() - older_seconds
            return abort_uploads(self._client, self.location.bucket, self._full(prefix), before)

    def _full(self, key: str) -> str:
        return self.location.prefix + key

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        with explained("read", self.location, key):
            try:
                yield
            except ClientError as error:
                if is_missing(self._client, self.location.bucket, self._full(key), error):
                    raise NotFound(f"no object {key} in store {self.url}") from error
                raise

    def _walk(self, prefix: str) -> Iterator[ObjectInfo]:
        return by_code_points(self._infos(prefix), prefix)

    def _infos(self, prefix: str) -> Iterator[ObjectInfo]:
        start = len(self.location.prefix)
        pages = iter(
            self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.location.bucket, Prefix=self._full(prefix)
            )
        )
        while True:
            with explained("list", self.location, prefix):
                page = next(pages, None)
                if page is None:
                    return
                items = [
                    ObjectInfo(part_of(item, "Key")[start:], part_of(item, "Size"), _time(item))
                    for item in page.get("Contents", [])
                ]
            # Others' odd keys, such as the "folder/" that web consoles make, are no objects of the store.
            yield from (item for item in items if _is_key(item.key))


def _time(item: Mapping[str, Any]) -> float:
    return float(part_of(item, "LastModified").timestamp())


def _is_key(text: str) -> bool:
    try:
        check_key(text)
    except InvalidKey:
        return False
    return True
