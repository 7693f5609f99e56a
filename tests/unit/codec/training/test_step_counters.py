import torch

from codec.training.step_counters import Health

CPU = torch.device("cpu")


def count(health: Health, finite: bool, vq: float = 0.1) -> None:
    health.count(torch.tensor(finite), torch.tensor(vq), torch.tensor(1.0))


def report(health: Health) -> list[float]:
    return [value.item() for value in health.report()]


def test_a_run_of_non_finite_steps_is_seen_even_after_it_has_ended() -> None:
    health = Health(CPU)
    for finite in (True, False, False, False, True, False, True):
        count(health, finite)
    assert report(health) == [4, 3, 0]
    count(health, True)
    assert report(health) == [4, 0, 0]


def test_a_run_goes_on_over_a_report() -> None:
    health = Health(CPU)
    count(health, False)
    report(health)
    count(health, False)
    assert report(health) == [2, 2, 0]


def test_dead_codebook_steps_are_consecutive_and_ignore_non_finite_ones() -> None:
    health = Health(CPU)
    for finite, vq in ((True, 2.0), (True, 0.5), (True, 1.0), (False, float("nan")), (True, 1.5)):
        count(health, finite, vq)
    assert report(health) == [1, 1, 2]


def test_state_restores_the_counters() -> None:
    health, other = Health(CPU), Health(CPU)
    for finite in (False, True, False, False):
        count(health, finite, 3.0)
    other.restore(health.state())
    assert report(other) == report(health)
