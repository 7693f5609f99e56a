from pathlib import Path
from typing import Any

import pytest

from job.errors import UsageError
from job.spec.load import check_spec, load_spec
from job.spec.model import JobSpec

MINIMAL = {"name": "speech", "data": "clips"}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_spec(text: str) -> Path:
        path = tmp_path / "job.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_spec


def complaint(**settings: Any) -> str:
    with pytest.raises(UsageError) as caught:
        check_spec({**MINIMAL, **settings}, "job.yaml")
    return str(caught.value)


def test_a_minimal_spec_takes_every_default(write: Any, tmp_path: Path) -> None:
    spec = load_spec(write("name: speech\ndata: clips\n"))
    assert spec.data == tmp_path / "clips"
    assert (spec.provider, spec.store, spec.max_hours) == ("local", None, 24.0)
    assert spec.train.flags() == []
    assert spec.checklist.min_steps == 3000


def test_relative_folders_are_read_from_the_specs_folder(write: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setenv("HOME", "/home/of-somebody")
    spec = load_spec(write("name: a\ndata: ../clips\nstore: kept"))
    assert (spec.data, spec.store) == (tmp_path.parent / "clips", str(tmp_path / "kept"))
    spec = load_spec(write("name: a\ndata: ~/clips\nstore: ~/kept"))
    assert (spec.data, spec.store) == (Path("/home/of-somebody/clips"), "/home/of-somebody/kept")
    assert load_spec(write("name: a\ndata: /clips\nstore: s3://bucket/x")).store == "s3://bucket/x"


def test_the_trainers_flags() -> None:
    train = {"num_epochs": 3, "learning_rate": "1e-3", "strides": [2, 2, 4]}
    flags = check_spec({**MINIMAL, "train": train}, "job.yaml").train.flags()
    assert flags == ["--num_epochs", "3", "--learning_rate", "0.001", "--strides", "2,2,4"]


def test_yaml_reads_a_number_without_a_point_as_text_and_that_is_accepted(write: Any) -> None:
    assert load_spec(write("name: a\ndata: b\ntrain: {learning_rate: 1e-3}")).train.learning_rate == 0.001


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"datas": "x"}, "job.yaml: unknown key 'datas': did you mean 'data'?"),
        ({"colour": "x"}, "job.yaml: unknown key 'colour'"),
        ({"train": {"num_epoch": 3}}, "unknown key 'num_epoch': did you mean 'num_epochs'? (in train.num_epoch)"),
        ({"checklist": {"min_step": 3}}, "did you mean 'min_steps'? (in checklist.min_step)"),
        ({"checklist": {"signs": {"loss": {"bad_abov": 1}}}}, "did you mean 'bad_above'?"),
        ({"checklist": {"improvement": {"metrics": "x"}}}, "did you mean 'metric'?"),
        ({"checklist": {"faults": {"nonfinite": 1}}}, "did you mean 'nonfinite_"),
        (
            {"checklist": {"signs": {"snr": {"bad_below": 1}}}},
            "checklist.signs.snr: unknown metric 'snr': did you mean 'snr_db'?",
        ),
        ({"checklist": {"signs": {"loss": {"bad_above": 0.1}}}}, "checklist.signs.loss: bad_above 0.1 lies below"),
        ({"train": {"num_epochs": "many"}}, "train.num_epochs: Input should be a valid integer"),
        ({"train": {"num_epochs": 1.5}}, "not 1.5"),
        ({"train": {"num_epochs": 0}}, "greater than or equal to 1, not 0"),
        ({"train": {"learning_rate": float("inf")}}, "train.learning_rate: Input should be a finite number"),
        ({"train": {"strides": "2,,2"}}, "train.strides: "),
        ({"train": {"device": "gpu"}}, "train.device: Input should be 'auto', 'cpu' or 'cuda', not 'gpu'"),
        ({"train": None}, "train: Input should be a valid dictionary"),
        ({"max_hours": float("inf")}, "max_hours: Input should be a finite number"),
        ({"max_hours": 0}, "max_hours: Input should be greater than 0"),
        ({"name": "My Run"}, "name: should be 1 to 40 lower-case letters, digits and dashes, not 'My Run'"),
        ({"name": "-a"}, "name: should be"),
        ({"name": "a\n"}, "name: should be"),
        ({"name": "a" * 41}, "name: should be"),
        ({"data": None}, "data: "),
    ],
)
def test_what_does_not_fit_is_named_in_one_line(settings: dict[str, Any], said: str) -> None:
    text = complaint(**settings)
    assert said in text
    assert len(text.splitlines()) == 1


def test_every_problem_has_its_line() -> None:
    with pytest.raises(UsageError) as caught:
        check_spec({"nam": "a", "max_hours": "long"}, "job.yaml")
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert all(line.startswith("job.yaml: ") for line in lines)
    assert {"job.yaml: name is missing", "job.yaml: data is missing"} < set(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [a", "line 1, column 9: not valid YAML"),
        ("name: a\n\tdata: b", "line 2, column 1: not valid YAML"),
        ("name: a\nsince: 2024-13-45", "unknown key 'since'"),
        ("name: \x00", "not valid YAML"),
        ("", "a spec is a mapping"),
        ("- name", "a spec is a mapping"),
        ("just text", "a spec is a mapping"),
        ("1: a", "Keys should be strings"),
    ],
)
def test_yaml_that_is_no_spec(write: Any, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=r"job\.yaml") as caught:
        load_spec(write(text))
    assert said in str(caught.value)


def test_a_spec_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.yaml: cannot read the spec: No such file"):
        load_spec(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="cannot read the spec: Is a directory"):
        load_spec(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9")
    with pytest.raises(UsageError, match="is not UTF-8 text"):
        load_spec(tmp_path / "latin.yaml")


def test_values_are_laid_over_the_spec(write: Any) -> None:
    path = write("name: a\ndata: b\ntrain: {num_epochs: 9, seed: 4}")
    overrides = ["train.num_epochs=3", "train.learning_rate=1e-3", "name=other", "checklist.signs.loss.bad_above=2"]
    spec = load_spec(path, overrides)
    assert (spec.name, spec.train.num_epochs, spec.train.seed, spec.train.learning_rate) == ("other", 3, 4, 0.001)
    assert spec.checklist.signs["loss"] is not None
    assert spec.checklist.signs["loss"].bad_above == 2.0


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("train.num_epochs", "write it as key=value"),
        ("=3", "write it as key=value"),
        ("train..seed=3", "write it as key=value"),
        ("name.first=x", "name is not a mapping"),
        ("train.seed=[1", "--set train.seed=[1, line 1"),
        ("train.sed=1", "did you mean 'seed'?"),
    ],
)
def test_an_override_that_makes_no_sense(write: Any, override: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_spec(write("name: a\ndata: b"), [override])
    assert said in str(caught.value)


def test_a_spec_survives_the_record(write: Any) -> None:
    text = "name: a\ndata: b\ntrain: {strides: [2, 4]}\nchecklist: {improvement: null, signs: {loss: null}}"
    spec = load_spec(write(text))
    assert JobSpec.model_validate(spec.model_dump(mode="json")) == spec


def test_the_examples_are_specs() -> None:
    examples = sorted((Path(__file__).parents[4] / "examples").glob("*.yaml"))
    assert examples
    for example in examples:
        assert load_spec(example).name == example.stem


def test_the_checklist_is_that_of_the_trainers_recipe_unless_it_names_its_own() -> None:
    def signs(**settings: Any) -> list[str]:
        return [name for name, _ in check_spec({**MINIMAL, **settings}, "job.yaml").checklist.bands()]

    perceptual = {"recipe": "perceptual"}
    assert "snr_db" in signs(train={"recipe": "waveform"})
    assert signs(train=perceptual) == ["mel_distance", "amplitude", "perplexity"]
    assert signs(train=perceptual, checklist={"epoch": 2}) == signs(train=perceptual)
    assert signs(train=perceptual, checklist={"recipe": "waveform"}) == signs()
    spec = check_spec({**MINIMAL, "train": perceptual}, "job.yaml")
    assert check_spec(spec.model_dump(mode="json"), "record") == spec
    with pytest.raises(UsageError, match=r"train\.recipe: .*not 'mel'") as caught:
        signs(train={"recipe": "mel"})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        ({}, None),
        ({"wandb": True}, "online"),
        ({"wandb": {}}, "online"),
        ({"wandb": {"project": "speech"}}, "online"),
        ({"wandb": {"mode": "offline", "tags": "telugu"}}, "offline"),
        ({"wandb": {"mode": None, "entity": "lab"}}, "online"),
        ({"wandb": {"mode": None, "entity": None, "tags": []}}, None),
        ({"wandb": False}, "disabled"),
    ],
)
def test_wandb_is_on_where_anything_of_it_is_given(given: dict[str, Any], mode: str | None) -> None:
    spec = check_spec({**MINIMAL, **given}, "job.yaml")
    assert (spec.wandb.mode, spec.wandb.on) == (mode, mode in ("online", "offline"))
    assert spec.wandb.flags() == (["--use_wandb", "--wandb_mode", mode] if spec.wandb.on else [])
    assert check_spec(spec.model_dump(mode="json"), "the record") == spec


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"train": {"use_wandb": True}}, "unknown key 'use_wandb'"),
        ({"wandb": {"api_key": "s3cr3t"}}, "unknown key 'api_key'"),
        ({"wandb": {"tags": ["a,b"]}}, "no comma"),
    ],
)
def test_wandb_has_one_spelling_and_no_key_is_taken(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        check_spec({**MINIMAL, **given}, "job.yaml")
    assert "s3cr3t" not in str(caught.value)
    assert "\n" not in str(caught.value)


def refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(UsageError) as caught:
        load_spec(path, overrides)
    text = str(caught.value)
    assert len(text.splitlines()) == 1, text
    return text


@pytest.mark.parametrize("written", ["1:5", "yes", "$5", "5 USD", "0x"])
def test_money_is_a_plain_number(write: Any, written: str) -> None:
    text = refusal(write(f"name: a\ndata: b\nmax_cost: {written}"))
    assert f"job.yaml, line 3: max_cost: write a plain number of USD such as 5 or 0.80, not {written!r}" in text
    assert "write a plain number of USD" in refusal(write("name: a\ndata: b"), f"max_cost={written}")


@pytest.mark.parametrize(
    ("written", "hours"),
    [
        ("90m", 1.5),
        ("1h30m", 1.5),
        ("2 d", 48.0),
        ("1 day 12 hours", 36.0),
        ("5400s", 1.5),
        ("12", 12.0),
        ("012", 12.0),
        ("1.5", 1.5),
        ("'8'", 8.0),
        ("1e1", 10.0),
    ],
)
def test_a_duration_is_what_it_says(write: Any, written: str, hours: float) -> None:
    assert load_spec(write(f"name: a\ndata: b\nmax_hours: {written}")).max_hours == hours
    assert load_spec(write("name: a\ndata: b"), [f"max_hours={written}"]).max_hours == hours
    watched = load_spec(write("name: a\ndata: b\nwatch: {agent: 20m, silent: 600}")).watch
    assert (watched.agent, watched.silent) == (1200.0, 600.0)


@pytest.mark.parametrize("written", ["1:30", "01:30", "12:00:00", "30m1h", "90 mins of it", "yes", "1,5", "2w"])
def test_what_is_no_duration_is_refused(write: Any, written: str) -> None:
    for text in (
        refusal(write(f"name: a\n\ndata: b\nmax_hours: {written}")),
        refusal(write("name: a\ndata: b"), f"max_hours={written}"),
    ):
        assert f"write a number of hours such as 1.5, or with units such as 90m, 1h30m or 2 d, not {written!r}" in text
    assert "job.yaml, line 4: max_hours: " in refusal(write(f"name: a\n\ndata: b\nmax_hours: {written}"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_cost", "true"),
        ("max_hours", "True"),
        ("nodes", "false"),
        ("train.num_epochs", "true"),
        ("train.learning_rate", "TRUE"),
        ("watch.agent", "true"),
        ("keep.last", "true"),
        ("pod.disk_gb", "true"),
        ("checklist.signs.loss.bad_above", "true"),
        ("checklist.min_steps", "true"),
    ],
)
def test_a_boolean_is_no_number(write: Any, key: str, value: str) -> None:
    path = write("name: a\ndata: b")
    assert f"{key}: needs a number, not {value.lower()}" in refusal(path, f"{key}={value}")
    assert load_spec(path, ["pod.ssh=true", "wandb=false"]).pod.ssh


def test_a_key_given_twice_names_both_lines(write: Any) -> None:
    text = "name: a\ndata: b\nmax_cost: 5\nmax_hours: 2\nmax_cost: 500\n"
    assert "job.yaml, line 5: not valid YAML: 'max_cost' is given twice, also in line 3: keep one" in refusal(
        write(text)
    )
    text = "name: a\ndata: b\ntrain:\n  seed: 1\npod: {}\ntrain:\n  seed: 2\n"
    assert "line 6: not valid YAML: 'train' is given twice, also in line 3" in refusal(write(text))
    inner = "name: a\ndata: b\ntrain:\n  seed: 1\n  num_epochs: 2\n  seed: 3\n"
    assert "line 6: not valid YAML: 'seed' is given twice, also in line 4" in refusal(write(inner))
    assert "'seed' is given twice" in refusal(write("name: a\ndata: b"), "train={seed: 1, seed: 2}")
    again = refusal(write("name: a\ndata: b"), "max_cost=5", "max_cost=500")
    assert again == "--set max_cost=500: max_cost is set twice, also by --set max_cost=5: keep one"


def test_a_complaint_names_the_line_or_the_setting(write: Any) -> None:
    path = write("# a spec\nname: a\ndata: b\ntrain:\n  seed: 1\n  num_epochs: many\n")
    assert refusal(path).startswith(f"{path}, line 6: train.num_epochs: ")
    assert refusal(path, "train.num_epochs=some").startswith(f"{path}: --set train.num_epochs=some: train.num_epochs: ")
    path = write("name: a\ndata: b\ngpu: [RTX 4090,\n  5]\n")
    assert f"{path}, line 4: gpu.1: " in refusal(path)
    with pytest.raises(UsageError) as caught:
        load_spec(write("nam: a\ndata: b\nmax_hours: 0\nmax_cost: true\n"))
    places = {line.removeprefix(str(path)).partition(":")[0] for line in str(caught.value).splitlines()}
    assert places == {", line 4", ", line 3", ", line 1", ""}, "what is missing has no line"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name: a\ndata: "a\\0b"', "line 2: data: no folder's name holds a NUL"),
        ("name: a\ndata: ~nosuchuser/x", "line 2: data: there is no such user's home"),
        ("name: a\ndata: b\nstore: ~nosuchuser/x", "line 3: store: there is no such user's home"),
        ("name: a\ndata: b\nstore: s3:bucket/x", "line 3: store: the store's name has a colon where a path has none"),
        ("name: a\ndata: b\nstore: $STORE/lab", "line 3: store: the store's name begins with a variable"),
        ("name: a\ndata: " + "[" * 3000, "not valid YAML: its brackets are nested too deeply"),
    ],
)
def test_what_ended_in_a_traceback_is_one_line(write: Any, text: str, said: str) -> None:
    assert said in refusal(write(text))


def test_dates_and_words_stay_what_they_are(write: Any) -> None:
    spec = load_spec(write("name: 2026-01-01\ndata: no\nwandb: {project: on, tags: [1:30, off]}"))
    assert (spec.name, spec.data.name, spec.wandb.project, spec.wandb.tags) == (
        "2026-01-01",
        "no",
        "on",
        ("1:30", "off"),
    )
