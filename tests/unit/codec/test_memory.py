"""What is said of too large a batch. The measuring itself needs a GPU."""

from codec.memory import complaint, fitting


def test_the_batch_that_fits_is_what_the_free_memory_holds() -> None:
    assert fitting(free=10_000, one=1000) == 9
    assert fitting(free=10_000, one=20_000) == 0


def test_the_line_names_the_flag_and_a_size_that_is_smaller() -> None:
    assert complaint(16, 16000, 9).startswith("--batch_size 16: out of GPU memory; about 9 would fit")
    assert "about 15 would fit" in complaint(16, 16000, 40)
    assert complaint(16, 16000, 0).startswith("--segment_length 16000: out of GPU memory even with one crop")
