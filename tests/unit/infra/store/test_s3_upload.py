import pytest

from infra.store.s3_upload import MAX_PARTS, PART_BYTES, part_size


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES * MAX_PARTS, PART_BYTES * MAX_PARTS + 1, 5 << 40])
def test_parts_are_whole_mib_and_not_too_many(size: int) -> None:
    step = part_size(size)
    assert step >= PART_BYTES
    assert step % (1 << 20) == 0
    assert -(-size // step) <= MAX_PARTS
