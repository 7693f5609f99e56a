"""The rooms of the source, which may import which, and who imports what: read from the code."""

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("codec", "infra", "job")

JOB = {
    "errors": "",
    "paths": "",
    "speech": "",
    "printable": "",
    "supervisor": "pod",
    "verdict": "errors",
    "spec": "errors verdict",
    "record": "errors paths printable verdict spec",
    "dataset": "errors paths record",
    "run": "errors paths verdict spec record",
    "pod": "errors speech verdict spec record dataset run",
    "watch": "errors paths verdict spec record run",
    "checks": "errors paths verdict spec record dataset run",
    "report": "errors verdict spec record run",
    "cli": "errors paths speech printable verdict spec record dataset run watch checks report",
    "__main__": "cli",
}
CODEC = {
    "loading": "",
    "audio": "",
    "errors": "audio",
    "files": "audio errors",
    "presets": "audio errors",
    "leb128": "",
    "codes": "audio errors",
    "config": "audio errors presets codes",
    "plan": "audio errors presets codes config",
    "acoustics": "audio",
    "model": "audio errors files codes config",
    "training": "audio errors files config acoustics model",
    "coding": "audio errors leb128 codes config acoustics model",
    "evaluation": "audio errors files front codes config acoustics model coding",
    "front": "audio errors leb128",
    "launch": "errors loading",
    "cli": "loading audio errors files presets codes config plan acoustics model training coding evaluation front",
    "__main__": "cli loading",
}
ROOMS = {
    **{f"job.{room}": {f"job.{other}" for other in may.split()} for room, may in JOB.items()},
    **{f"codec.{room}": {f"codec.{other}" for other in may.split()} for room, may in CODEC.items()},
}
TORCH = ("acoustics", "model", "training", "coding", "evaluation", "launch", "cli")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}


@cache
def imports(name: str) -> set[str]:
    """Every module that a module imports anywhere in it, inside functions too."""
    path = MODULES[name]
    return set(imported(ast.parse(path.read_text(encoding="utf-8")), name, is_package=path.name == "__init__.py"))


def imported(tree: ast.AST, name: str, is_package: bool) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = name.split(".") if is_package else name.split(".")[:-1]
                package = package[: len(package) - node.level + 1]
                base = ".".join([*package, *([base] if base else [])])
            # `from infra import pods` takes a module of a package, `from infra.pods import Pod` a name of a module.
            names = [f"{base}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else base for name in names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "__import__"):
            yield from (str(part.value) for part in node.args[:1] if isinstance(part, ast.Constant))


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def between_rooms(package: str) -> Counter[tuple[str, str]]:
    """Imports between the rooms of a package: how many modules of one import modules of the other."""
    pairs = (
        (room_of(name), room_of(other))
        for name in MODULES
        if name.startswith(f"{package}.")
        for other in imports(name)
        if other in MODULES and other.startswith(f"{package}.")
    )
    return Counter((room, other) for room, other in pairs if room != other)


def table() -> str:
    """Markdown: a row for each room, with the rooms it imports and how often."""
    lines = ["| room | imports, and how often |", "| --- | --- |"]
    for package in ("codec", "job"):
        pairs = between_rooms(package)
        for room in (room for room in ROOMS if room.startswith(f"{package}.")):
            others = [f"{other.split('.')[1]} {pairs[room, other]}" for other in ROOMS if pairs[room, other]]
            lines.append(f"| `{room}` | {', '.join(others) or 'nothing of ' + package} |")
        lines.append(f"| all of `{package}` | {sum(pairs.values())} imports between {len(pairs)} pairs of rooms |")
    return "\n".join(lines)
