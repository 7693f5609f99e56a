"""The `codec` command."""

import errno
import os
import sys
import time
from typing import Any

import click
from click.core import ParameterSource

from codec.cli.coding import decode, encode
from codec.cli.evaluation import evaluate
from codec.cli.exporting import export
from codec.cli.torch_guard import needs_torch
from codec.config import TrainConfig, config_from_flags, flag_fields, is_required, spell
from codec.errors import BAD_INPUT, UserError, tell

FIRST_RANK_SECONDS = 10.0  # more than its start may take longer than another machine's
TORCHRUN_SECONDS = 600.0  # a rank that waits for torchrun to end it ends itself then
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def main() -> None:
    """Run the command. The user's mistakes become one line and exit code 2."""
    code = _run()
    if "RANK" in os.environ:
        # All is written by now. A rank that was done was once seen to abort; the suspect is Python's end, with torch's
        # threads still alive.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Train a neural speech codec and use it.

    \b
    Examples:
      codec train --data_dir examples/telugu/clips --checkpoint_dir run1
      codec encode speech.wav speech.cjc --model run1
      codec decode speech.cjc copy.wav --model run1
    """


@cli.command()
def train(**flags: Any) -> int:
    """Train a codec on a folder of audio; the same command again resumes.

    Exits with 0 when all epochs are done, 2 for bad input or a full disk, 3 when stopped on request
    (a stop.json in the checkpoint folder, SIGTERM or Ctrl-C) with a checkpoint saved.

    \b
    Examples:
      codec train --data_dir examples/telugu/clips --checkpoint_dir run1
      codec train --data_dir ~/telugu --checkpoint_dir run2 --preset 16khz-6kbps --use_wandb
    """
    return _start(_config(flags))


@cli.command()
def plan(**flags: Any) -> None:
    """Print as JSON what `codec train` with these flags would be, without training and without torch.

    The resolved configuration, parameters, size of a checkpoint and bit rate; with --data_dir, every
    clip is decoded and the steps are counted.

    \b
    Examples:
      codec plan --preset 16khz-6kbps
      codec plan --data_dir examples/telugu/clips --batch_size 8
    """
    from codec.files import to_json
    from codec.plan import plan as work_out

    click.echo(to_json(work_out(_config(flags)), indent=2))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="print one JSON document")
def presets(as_json: bool) -> None:
    """List the presets: rate, size, and the SNR that one may hope for.

    \b
    Examples:
      codec presets
      codec train --preset 16khz-6kbps --data_dir examples/telugu/clips
    """
    from codec.files import to_json
    from codec.plan import about_presets

    facts = about_presets()
    if as_json:
        click.echo(to_json(facts, indent=2))
        return
    click.echo(f"{'preset':<14} {'kbit/s':>6} {'frames/s':>8} {'codes':>5} {'parameters':>10} {'hope':>6}  for")
    for fact in facts:
        click.echo(
            f"{fact['preset']:<14} {fact['bitrate_kbps']:>6g} {fact['frames_per_second']:>8g} "
            f"{fact['mean_quantizers']:>5} {fact['parameters'] / 1e6:>8.1f} M {fact['snr_hope_db']:>3} dB  "
            f"{fact['purpose']}"
        )


def _config(flags: dict[str, Any]) -> TrainConfig:
    # Only what was typed: the rest is the preset's, or the default.
    source = click.get_current_context().get_parameter_source
    given = {name: value for name, value in flags.items() if source(name) != ParameterSource.DEFAULT}
    try:
        return config_from_flags({"data_dir": "", **given})
    except UserError as error:
        raise click.ClickException(str(error)) from error


def _start(config: TrainConfig) -> int:
    with needs_torch():
        import torchaudio  # noqa: F401 - needed from the first validation on: too late to find out then

        from codec.training.train import train as run
    return run(config)


def _run() -> int:
    try:
        return int(cli.main(prog_name="codec", standalone_mode=False) or 0)
    except click.ClickException as error:
        _let_the_first_rank_speak()
        return _complain(error.format_message())
    except SystemExit as error:
        if isinstance(error.code, str):
            raise
        return error.code or 0  # of a rank: all has been told
    except click.Abort:
        return _complain("interrupted")
    except UserError as error:
        return _complain(str(error))
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        return _complain(f"the disk is full ({error.filename or 'while writing'}); make room and run it again")


def _complain(message: str) -> int:
    tell(message)
    return BAD_INPUT


def _let_the_first_rank_speak() -> None:
    """A wrong command line is wrong on every rank. torchrun ends all when one has left: the others wait for that."""
    if os.environ.get("RANK", "0") != "0":
        time.sleep(FIRST_RANK_SECONDS if os.environ.get("LOCAL_RANK") == "0" else TORCHRUN_SECONDS)
        sys.exit(BAD_INPUT)


class _Strides(click.ParamType):  # type: ignore[type-arg]
    """Whole numbers with commas between them."""

    name = "integers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of whole numbers like 2,2,2,2,5", param, ctx)


def _option(item: Any) -> click.Option:
    """The option that a configuration field describes."""
    name, text, limits = f"--{item.name}", item.metadata["help"], item.metadata["limits"]
    if is_required(item):
        return click.Option([name], required=True, help=text)
    if isinstance(item.default, bool):
        return click.Option([name], is_flag=True, help=text)
    kind: Any = type(item.default)
    if isinstance(item.default, tuple):
        kind = _Strides()
    metavar = "|".join(limits.choices) or None
    return click.Option(
        [name], type=kind, default=item.default, metavar=metavar, help=f"{text} [default: {spell(item.default)}]"
    )


cli.add_command(encode)
cli.add_command(decode)
cli.add_command(evaluate)
cli.add_command(export)
train.params += [_option(item) for item in flag_fields()]
# A plan can be made before there is data.
plan.params += [_option(item) for item in flag_fields() if not is_required(item)]
plan.params.insert(0, click.Option(["--data_dir"], default="", help="count the steps that this folder makes"))
