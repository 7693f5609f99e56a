"""obstore's part of the bench, in its own environment: python obstore_worker.py VERB ENDPOINT BUCKET PATH.

obstore is a library and has no sync: this is the shortest program that does it, many objects at a time.
"""

import asyncio
import os
import sys
from pathlib import Path

import obstore
from obstore.store import S3Store

AT_ONCE = 64


async def main(verb: str, endpoint: str, bucket: str, path: Path) -> None:
    store = S3Store(
        bucket,
        endpoint=endpoint,
        access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    if verb == "up":
        await obstore.put_async(store, "checkpoint.bin", path)
    elif verb == "down":
        with path.open("wb") as file:
            async for chunk in (await obstore.get_async(store, "checkpoint.bin")).stream(min_chunk_size=8 << 20):
                file.write(chunk)
    else:
        at_once = asyncio.Semaphore(AT_ONCE)

        async def put(file: Path) -> None:
            async with at_once:
                await obstore.put_async(store, f"clips/{file.name}", file.read_bytes())

        async def get(key: str) -> None:
            async with at_once:
                data = await (await obstore.get_async(store, key)).bytes_async()
                (path / key.removeprefix("clips/")).write_bytes(data)

        if verb == "push":
            await asyncio.gather(*(put(file) for file in path.iterdir()))
        else:
            path.mkdir(exist_ok=True)
            keys = [item["path"] for page in obstore.list(store, "clips/") for item in page]
            await asyncio.gather(*(get(key) for key in keys))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])))
    os._exit(0)  # obstore 0.12 sometimes aborts while the interpreter ends, when all is done
