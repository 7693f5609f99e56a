"""The rule between the rooms: codec, infra and job, and what may be imported where."""

import ast
import os
import re
import subprocess
import sys

import pytest

from rooms import MODULES, ROOT, imported, imports

HEAVY = ("torch", "torchaudio")


def is_in(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def offences(room: str, *forbidden: str, but: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{name} imports {other}"
        for name in MODULES
        if is_in(name, room)
        for other in sorted(imports(name))
        if is_in(other, *forbidden) and not is_in(other, *but)
    ]


def test_there_is_something_to_check() -> None:
    assert {"codec.training.train", "infra.store", "job.pod.agent", "job.cli"} <= set(MODULES)
    assert "infra.store.base" in imports("infra.store")
    assert "codec.audio" in imports("job.dataset.scan")


def test_the_reader_of_imports_sees_every_way_to_import() -> None:
    tree = ast.parse(
        "import a.b\n"
        "from infra import store\n"
        "from infra.pods import Pod\n"
        "from . import signs\n"
        "from ..cli.output import GOOD\n"
        "def late():\n    import c\n    importlib.import_module('d')\n"
    )
    found = set(imported(tree, "job.verdict.checklist", is_package=False))
    assert {"a.b", "infra.store", "infra.pods", "job.verdict.signs", "job.cli.output", "c", "d"} <= found


def test_codec_imports_neither_job_nor_infra() -> None:
    assert offences("codec", "job", "infra") == []


def test_infra_imports_neither_job_nor_codec() -> None:
    assert offences("infra", "job", "codec") == []


def test_job_imports_of_codec_only_the_audio_and_what_is_said_of_a_broken_library() -> None:
    assert offences("job", "codec", but=("codec.audio", "codec.loading")) == []


def test_the_audio_imports_nothing_else_of_codec_but_its_errors() -> None:
    assert offences("codec.audio", "codec", but=("codec.audio",)) == []


def test_torch_lives_in_codec_alone_and_not_in_its_audio() -> None:
    assert offences("job", *HEAVY) == []
    assert offences("infra", *HEAVY) == []
    assert offences("codec.audio", *HEAVY) == []


def test_nothing_imports_in_a_circle() -> None:
    graph = {name: sorted(other for other in imports(name) if other in MODULES) for name in MODULES}
    done: set[str] = set()

    def circle_from(name: str, path: tuple[str, ...]) -> tuple[str, ...] | None:
        if name in path:
            return (*path[path.index(name) :], name)
        if name in done:
            return None
        found = next((found for other in graph[name] if (found := circle_from(other, (*path, name)))), None)
        done.add(name)
        return found

    circles = [circle for name in graph if (circle := circle_from(name, ()))]
    assert not circles, " -> ".join(circles[0])


def python(*arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.check_output([sys.executable, *arguments], cwd="/", env=environment, text=True, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize("module", ["job.cli", "job.supervisor"])
def test_a_light_module_loads_nothing_heavy(module: str) -> None:
    heavy = ("torch", "torchaudio", "boto3", "docker", "requests", "numpy", "pydantic", "soundfile", "wandb")
    loaded = python("-c", f"import sys, {module}; print(*sys.modules)").split()
    assert module in loaded
    assert set(loaded).isdisjoint(heavy)


@pytest.mark.slow
def test_every_python_that_we_start_is_kept_from_importing_from_the_folder_it_starts_in() -> None:
    starts = [
        [ast.unparse(word) for word in node.elts]
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.List | ast.Tuple)
    ]
    ours = [words for words in starts if "'-m'" in words and ("sys.executable" in words or len(words) < 4)]
    assert len(ours) >= 8
    assert [words for words in ours if words[words.index("'-m'") - 1] != "'-P'"] == []
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r'CMD \["python", (.*?)"job', dockerfile) == ['"-P", "-m", '] * 2
    assert "PYTHONSAFEPATH=1" in dockerfile


def test_the_supervisor_needs_nothing_but_the_standard_library() -> None:
    assert imports("job.supervisor") == {"sys", "job.pod.supervisor"}
    needed = {name.split(".")[0] for name in imports("job.pod.supervisor") | imports("job.speech")}
    assert needed <= {*sys.stdlib_module_names, "job"}
    assert {name for name in imports("job.pod.supervisor") if name.startswith("job")} == {"job.speech"}


@pytest.mark.slow
def test_help_loads_click_and_little_else() -> None:
    """What makes `codecjob --help` slow is what it loads: a clock would also measure the machine's load."""
    script = "import sys, job.cli; sys.argv = ['codecjob', '--help']\ntry: job.cli.main()\nfinally: print(*sys.modules)"
    *text, modules = python("-c", script).splitlines()
    loaded = (
        {name.split(".")[0] for name in modules.split()}
        - set(sys.stdlib_module_names)
        - {"__main__", "_distutils_hack"}
    )
    assert any("abort-on-bad-signs" in line for line in text)
    assert {"click", "codec", "job"} == loaded - {"__main__", "_distutils_hack"}
    assert set(modules.split()).isdisjoint({"importlib.metadata", "email", "asyncio", "json", "urllib.request"})
    assert len([name for name in modules.split() if name.split(".")[0] in ("codec", "job")]) < 6
