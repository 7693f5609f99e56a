import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.export.pt2_archive._package import load_pt2

from codec.cli import main
from codec.codes import ABSENT
from codec.coding import trained
from codec.coding.export import FACTS

VARYING = {"num_quantizers": 4, "mean_quantizers": 3, "codebook_dim": 20, "transform": "mdct"}


@pytest.mark.parametrize("flags", [{"num_quantizers": 3}, VARYING], ids=["all codes", "some codes"])
def test_the_programs_do_what_the_model_does_at_any_length(
    flags: dict[str, Any], make_checkpoint: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = trained.load(make_checkpoint(**flags))
    monkeypatch.setattr(sys, "argv", ["codec", "export", str(model.folder), str(tmp_path / "model.pt2")])
    with pytest.raises(SystemExit) as done:
        main()
    assert not done.value.code
    contents = load_pt2(str(tmp_path / "model.pt2"))
    assert json.loads(contents.extra_files[FACTS]) == {
        "model": model.id.hex(), "sample_rate": 16000, "hop": 20, "num_quantizers": flags["num_quantizers"],
        "codebook_size": 16,
    }  # fmt: skip
    encode, decode = (contents.exported_programs[name].module() for name in ("encoder", "decoder"))
    for frames in (2, 3, 8, 517):
        audio = torch.randn(1, 1, frames * 20) * 0.1
        codes = encode(audio)
        assert torch.equal(codes, model.model.encode(audio))
        assert (codes == ABSENT).any() == ("mean_quantizers" in flags)
        torch.testing.assert_close(decode(codes), model.model.decode(codes, frames * 20), atol=1e-5, rtol=1e-4)
