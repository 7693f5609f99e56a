"""A library that cannot be loaded, in one line: which, in which version, and why. Standard library only."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

OURS = ("__main__", "codec", "infra", "job")
EXTRAS = {
    "codecjob[train]": ("torch", "torchaudio", "safetensors", "wandb"),
    "codecjob[evaluate]": ("matplotlib", "pesq", "pystoi"),
    "codecjob[report]": ("jinja2", "plotly"),
}


def library_error(error: BaseException) -> str | None:
    """What to tell the user of an error that arose while a library was being loaded; None for any other error.

    A library is missing, or one of its files is, or it was built for another version of what lies beside it:
    depending on the library that is an ImportError, an OSError or any other error, so it's known by where it arose.
    """
    missing = _root(error.name) if isinstance(error, ModuleNotFoundError) else None
    name = _loading(error)
    if missing and (missing == name or name is None or _extra(missing)):
        return None if missing in OURS else f"{missing} is missing: install {_extra(missing) or 'codecjob'}"
    if name is None:
        return None
    which = f"{name} {_version(name)}".strip() + (f" beside torch {_version('torch')}" if name == "torchaudio" else "")
    return f"{which} cannot be loaded: {_first_cause(error)}; install {_extra(name) or 'codecjob'} again"


@contextmanager
def exit_without_library() -> Iterator[None]:
    """Around what loads libraries: where one cannot be loaded, the process ends with that line and exit code 2."""
    try:
        yield
    except Exception as error:
        said = library_error(error)
        if said is None:
            raise
        sys.stderr.write(f"error: {said}\n")
        sys.exit(2)


def _loading(error: BaseException) -> str | None:
    """The package of others that was being loaded when the error arose: the innermost, since they load each other."""
    found = None
    trace = error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_name == "<module>":
            found = _root(trace.tb_frame.f_globals["__name__"])
        trace = trace.tb_next
    if found in (None, *OURS) and isinstance(error, ImportError):  # a name that it lacks, or a file that is a module
        found = _root(error.name)
    return None if found in OURS else found


def _first_cause(error: BaseException) -> str:
    """The root of a chain of errors, which names the file or the symbol."""
    while error.__cause__ is not None:
        error = error.__cause__
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__).rstrip(".")


def _extra(package: str) -> str | None:
    return next((extra for extra, names in EXTRAS.items() if package in names), None)


def _root(name: str | None) -> str | None:
    return name.partition(".")[0] if name else None


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # half as long to load as the whole command line

    try:
        return version(package)
    except PackageNotFoundError:
        return ""
