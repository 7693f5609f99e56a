"""Retry of a step that must be done."""

import pytest

from infra.store import Unavailable
from job.pod.retry import retry_until


def test_a_step_is_tried_again_until_it_works() -> None:
    answers = iter([Unavailable("a"), Unavailable("b"), "done"])
    said: list[str] = []

    def step() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    done = retry_until(step, errors=(Unavailable,), over=lambda: False, pause=0.0, say=lambda e: said.append(str(e)))
    assert (done, said) == ("done", ["a", "b"])


@pytest.mark.parametrize(("error", "tries"), [(Unavailable("away"), 3), (ValueError("a defect"), 1)])
def test_it_ends_when_it_is_over_and_at_once_for_another_error(error: Exception, tries: int) -> None:
    tried: list[int] = []

    def step() -> None:
        tried.append(1)
        raise error

    with pytest.raises(type(error)):
        retry_until(step, errors=(Unavailable,), over=lambda: len(tried) >= 3, pause=0.0, say=lambda e: None)
    assert len(tried) == tries
