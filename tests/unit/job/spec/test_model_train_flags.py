"""What job.yaml may say under `train` is what `codec train` takes."""

from typing import Any, get_args

import click
import pytest

from codec.cli import cli
from codec.config import flag_fields
from job.spec.model import TrainSpec

PLACES = {"data_dir", "checkpoint_dir", "use_wandb", "wandb_mode"}  # the agent's own business, and the key `wandb`'s
OPTIONS: dict[str, click.Option] = {
    str(option.name): option
    for option in cli.commands["train"].params
    if isinstance(option, click.Option) and option.name not in PLACES
}
SPELT = {int: "integer", float: "float", str: "text", bool: "boolean", tuple: "integers"}


def wanted_type(name: str) -> str:
    """The type of a spec's value, in click's words."""
    kinds = [kind for kind in get_args(TrainSpec.model_fields[name].annotation) if kind is not type(None)]
    if name == "strides":
        return "integers"
    return SPELT[kinds[0]] if isinstance(kinds[0], type) else "text"  # a choice of words


def test_the_spec_has_exactly_the_trainers_flags() -> None:
    assert set(TrainSpec.model_fields) == set(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_flag_has_one_type_on_both_sides(name: str) -> None:
    assert wanted_type(name) == OPTIONS[name].type.name


@pytest.mark.parametrize("name", OPTIONS)
def test_the_trainers_default_is_allowed_in_a_spec_and_comes_through(name: str) -> None:
    default = parse([])[name]
    in_yaml = list(default) if isinstance(default, tuple) else default
    flags = TrainSpec.model_validate({name: in_yaml}).flags()
    assert parse(flags)[name] == default


@pytest.mark.parametrize("name", OPTIONS)
def test_a_flag_has_the_same_limits_on_both_sides(name: str) -> None:
    limits = {item.name: item.metadata["limits"] for item in flag_fields()}[name]
    trainers = {"gt": limits.above, "ge": limits.at_least, "lt": limits.below, "le": limits.at_most}
    specs = {
        key: getattr(part, key)
        for part in TrainSpec.model_fields[name].metadata
        for key in trainers
        if hasattr(part, key)
    }
    if name != "strides":  # a text in the spec
        assert specs == {key: value for key, value in trainers.items() if value is not None}


def parse(flags: list[str]) -> dict[str, Any]:
    return cli.commands["train"].make_context("train", ["--data_dir", "clips", *flags]).params
