"""The script in the repository makes the clips in the repository."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

TELUGU = Path(__file__).parents[2] / "examples" / "telugu"


def test_the_script_makes_the_committed_clips(tmp_path: Path) -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed: apt install espeak-ng")
    for name in ("make_clips.py", "sentences.txt"):
        shutil.copy(TELUGU / name, tmp_path)
    subprocess.run([sys.executable, str(tmp_path / "make_clips.py")], check=True, capture_output=True, timeout=300)
    made = sorted((tmp_path / "clips").iterdir())
    committed = sorted((TELUGU / "clips").iterdir())
    assert [path.name for path in made] == [path.name for path in committed]
    for new, old in zip(made, committed, strict=True):
        # Another version of espeak-ng may speak a little differently; the sentence and the pace stay.
        assert soundfile.info(new).duration == pytest.approx(soundfile.info(old).duration, rel=0.1)
