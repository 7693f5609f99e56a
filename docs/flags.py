"""Prints the tables of flags and of presets that stand in docs/codec.md: python docs/flags.py."""

import sys

import click

from codec.cli import train
from codec.config import spell
from codec.plan import about_presets


def table() -> str:
    """The flags as Markdown, in the order of the help."""
    lines = ["| flag | default | meaning |", "| --- | --- | --- |"]
    lines += [_line(param) for param in train.params if isinstance(param, click.Option)]
    return "\n".join(lines) + "\n"


def presets() -> str:
    """The presets as Markdown."""
    lines = [
        "| preset | kbit/s | frames/s | stages | parameters | SNR to hope for | for |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for fact in about_presets():
        rate = f"{fact['bitrate_kbps']:g} | {fact['frames_per_second']:g} | {fact['num_quantizers']}"
        size = f"{fact['parameters'] / 1e6:.1f} M"
        lines.append(f"| `{fact['preset']}` | {rate} | {size} | {fact['snr_hope_db']} dB | {fact['purpose']} |")
    return "\n".join(lines) + "\n"


def _line(option: click.Option) -> str:
    default = "required" if option.required else "off" if option.is_flag else f"`{spell(option.default)}`"
    text = (option.help or "").partition(" [default:")[0]
    return f"| `{option.opts[0]}` | {default} | {text.replace('|', ' or ')} |"


if __name__ == "__main__":
    sys.stdout.write(f"{table()}\n{presets()}")
