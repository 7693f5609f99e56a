"""Listings of servers that keep objects in a tree of folders.

S3 sorts by the bytes of the whole key, so "b-/x" comes before "b/c". A server that walks its tree sorts folder by
folder (SeaweedFS, s3rver) and names a folder that is empty by now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from infra.store.base import ObjectInfo
from infra.store.s3_client import is_custom

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

AT_ONCE = 16

_names_empty: dict[tuple[str, str], bool] = {}
"""Whether the server names folders that are empty, by endpoint and bucket, as far as this process has found out."""


def by_code_points(found: Iterable[ObjectInfo], prefix: str) -> Iterator[ObjectInfo]:
    """A listing below a prefix in the order of whole keys, from that order or from the order of a tree.

    In a tree only the names that begin with a folder's own name and go on with a sign before "/" come too late. So at
    most one folder directly below the prefix is held back at a time, with its namesakes.
    """
    folder = ""
    held: list[ObjectInfo] = []
    for info in found:
        name, slash, _ = info.key[len(prefix) :].partition("/")
        if held and not _sorts_within(name, folder):
            yield from sorted(held, key=attrgetter("key"))
            held = []
        if held:
            held.append(info)
        elif slash:
            folder, held = name, [info]
        else:
            yield info
    yield from sorted(held, key=attrgetter("key"))


def with_objects(client: S3Client, bucket: str, prefix: str, names: Sequence[str]) -> Sequence[str]:
    """The names below a full prefix that have objects. Raises boto3's errors.

    Only servers that show a folder as an object of its own are asked about each of them.
    """
    place = (client.meta.endpoint_url, bucket)
    if not names or not is_custom(client):
        return names
    if place not in _names_empty:
        _names_empty[place] = _is_object(client, bucket, f"{prefix}{names[0]}/")
    if not _names_empty[place]:
        return names

    def has_objects(name: str) -> bool:
        page = client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}{name}/", MaxKeys=2)
        return any(item.get("Key") != f"{prefix}{name}/" for item in page.get("Contents", []))

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="s3-folder") as pool:
        return [name for name, kept in zip(names, pool.map(has_objects, names), strict=True) if kept]


def _sorts_within(name: str, folder: str) -> bool:
    return name == folder or (name.startswith(folder) and name[len(folder)] < "/")


def _is_object(client: S3Client, bucket: str, key: str) -> bool:
    try:
        client.head_object(Bucket=bucket, Key=key)
    except ClientError:
        return False
    return True
