import json

import pytest
from click.testing import CliRunner

from codec.cli import cli
from codec.config import config_from_flags
from codec.plan import about_presets, plan
from codec.presets import PRESETS

NAMES = [f"{rate}khz-{kbps}kbps" for rate in (16, 24) for kbps in (2, 6, 12, 24)]


def test_there_is_one_for_each_rate_that_speech_is_sent_at_and_one_for_the_waveform() -> None:
    assert list(PRESETS) == [*NAMES, "waveform-40db"]


@pytest.mark.parametrize("fact", about_presets(), ids=list(PRESETS))
def test_a_preset_has_the_rate_of_its_name(fact: dict[str, float]) -> None:
    name = str(fact["preset"])
    if name == "waveform-40db":
        assert 41 < fact["bitrate_kbps"] <= 74  # 41: what 40 dB cost an ideal coder, docs/codec.md
        return
    rate, kbps = name.split("-")
    assert fact["bitrate_kbps"] == pytest.approx(float(kbps.removesuffix("kbps")), rel=0.02)
    assert fact["sample_rate"] == 1000 * int(rate.removesuffix("khz"))


def test_a_flag_that_is_typed_overrides_the_presets_and_the_rest_is_the_default() -> None:
    config = config_from_flags({"data_dir": "", "preset": "24khz-6kbps", "hidden_dim": 64, "num_quantizers": 8})
    assert (config.model.hidden_dim, config.model.num_quantizers, config.model.sample_rate) == (64, 8, 24000)
    assert config.batch_size == config_from_flags({"data_dir": ""}).batch_size
    assert plan(config)["bitrate_kbps"] == 4


def test_the_command_line_tells_what_was_typed_from_what_is_a_default() -> None:
    def planned(*flags: str) -> dict[str, object]:
        return dict(json.loads(CliRunner().invoke(cli, ["plan", *flags]).stdout)["config"])

    assert planned("--preset", "24khz-6kbps")["sample_rate"] == 24000
    assert planned("--preset", "24khz-6kbps", "--hidden_dim", "64")["hidden_dim"] == 64
    default = planned()
    typed = planned("--preset", "24khz-6kbps", "--sample_rate", str(default["sample_rate"]))
    assert typed["sample_rate"] == default["sample_rate"]


def test_presets_are_listed_for_people_and_machines() -> None:
    lines = CliRunner().invoke(cli, ["presets"]).stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(PRESETS)
    facts = json.loads(CliRunner().invoke(cli, ["presets", "--json"]).stdout)
    assert [fact["preset"] for fact in facts] == list(PRESETS)
