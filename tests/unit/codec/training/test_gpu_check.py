import pytest

from codec.errors import UserError
from codec.training.device import pick_device
from codec.training.gpu_check import code_fault, driver_fault, why_no_gpu
from codec.training.ranks import Ranks

BUILT = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]


@pytest.mark.parametrize("capability", [(7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 3), (12, 0)])
def test_code_runs_on_its_own_major_version(capability: tuple[int, int]) -> None:
    assert code_fault("GPU", capability, BUILT) == ""


@pytest.mark.parametrize("capability", [(6, 1), (7, 0), (11, 0)])
def test_a_gpu_without_code_is_named(capability: tuple[int, int]) -> None:
    said = code_fault("Tesla V100", capability, BUILT)
    assert said.startswith(f"this torch has no code for Tesla V100 (sm_{capability[0]}{capability[1]}; it has sm_75,")
    assert said.endswith("choose another GPU")


def test_what_is_compiled_on_the_spot_runs_on_newer_ones() -> None:
    assert code_fault("GPU", (11, 0), ["sm_80", "compute_90"]) == ""
    assert code_fault("GPU", (9, 0), ["sm_90a"]) == ""
    assert code_fault("GPU", (9, 0), ["gfx90a"]) == "", "another vendor's"


@pytest.mark.parametrize(("driver", "built_for", "good"), [(13000, "13.0", True), (13020, "13.0", True)])
def test_a_driver_of_the_same_major_version_will_do(driver: int, built_for: str, good: bool) -> None:
    assert (driver_fault(driver, built_for) == "") == good
    assert driver_fault(12040, "12.8") == ""


def test_an_older_driver_says_what_to_ask_for() -> None:
    assert driver_fault(12040, "13.0") == (
        "the host's driver supports CUDA 12.4, and the image's torch needs 13.0; "
        'set pod.min_cuda: "13.0", or use an image with an older CUDA'
    )


def test_a_machine_without_a_gpu_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("codec.training.gpu_check.driver_cuda", lambda: None)
    assert pick_device("auto", Ranks()).type == "cpu"
    with pytest.raises(UserError, match=r"torch finds no CUDA device here: .*; --device cpu trains without"):
        pick_device("cuda", Ranks())
    monkeypatch.setattr("torch.version.cuda", "13.0")
    assert why_no_gpu().startswith("there are no driver libraries here (libcuda.so.1)")
    monkeypatch.setattr("codec.training.gpu_check.driver_cuda", lambda: 12040)
    assert "supports CUDA 12.4" in why_no_gpu()
