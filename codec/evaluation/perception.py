"""What listeners would say, estimated: PESQ and STOI, where their packages are installed."""

import importlib
import math
import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

PESQ_RATE = 16000  # wide-band PESQ (ITU-T P.862.2) knows no other

Float32Array = npt.NDArray[np.float32]
Judge = Callable[[Float32Array, Float32Array], float]  # (original, decoded) -> score; NaN where there is none


def judges(rate: int) -> tuple[dict[str, Judge], list[str]]:
    """The scores that can be had at this rate, by name, and a line for each that cannot."""
    found: dict[str, Judge] = {}
    lines = []
    for name, package, make in (("pesq", "pesq", _pesq), ("stoi", "pystoi", _stoi)):
        try:
            importlib.import_module(package)
        except ModuleNotFoundError:
            lines.append(f"no column {name}: install it with pip install 'codecjob[evaluate]'")
            continue
        if name == "pesq" and rate != PESQ_RATE:
            lines.append(f"no column pesq: wide-band PESQ is for {PESQ_RATE} Hz, and this model has {rate}")
            continue
        found[name] = make(rate)
    return found, lines


def _pesq(rate: int) -> Judge:
    from pesq import PesqError, pesq

    def judge(original: Float32Array, decoded: Float32Array) -> float:
        # Where there is no utterance, there is no score: an average with zeros in it would say nothing.
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # it divides by the peak, which may be 0
                return float(pesq(rate, original, decoded, "wb"))
        except PesqError:
            return math.nan

    return judge


def _stoi(rate: int) -> Judge:
    from pystoi import stoi

    def judge(original: Float32Array, decoded: Float32Array) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # it warns, and returns 1e-5, where too little is left
            try:
                return float(stoi(original, decoded, rate))
            except RuntimeWarning:
                return math.nan

    return judge
