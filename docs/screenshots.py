"""Takes the pictures of docs/images from real runs: python docs/screenshots.py [FOLDER], or `make screenshots`.

The two runs of `make demo` are trained in FOLDER, a temporary one if none is given. Needs Chromium; takes minutes.
"""

import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text
from terminal import first_screen, last_screen, screens

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
COLUMNS = 112
REPORT = (
    ("report", 1200, 1000, "verdict"),
    ("report-curves", 1200, 850, "curves"),
    ("report-samples", 1200, 480, "samples"),
    ("report-phone", 400, 860, "verdict"),
)
"""Pictures of the report: name, width and height of the window, and which part it shows."""
# Without the font that rich would load from elsewhere.
WINDOW = re.sub(r"@font-face \{\{.*?\}\}\s", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace(
    "Fira Code", "DejaVu Sans Mono"
)

Shoot = Callable[[str, str], None]


def codecjob(*words: str) -> list[str]:
    """The command line of this checkout's codecjob."""
    return [sys.executable, "-m", "job", *words]


def take(folder: Path, shoot: Shoot, page: Page) -> None:
    """All pictures, in the order of the runs' life."""
    home = folder / "home"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("CODECJOB_", "NO_COLOR"))}
    env |= {"CODECJOB_HOME": str(home), "PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{env['PATH']}"}
    shutil.copytree(ROOT / "examples", folder / "examples", dirs_exist_ok=True)

    def see(*words: str) -> str:
        typed = f"\x1b[2m$\x1b[0m codecjob {' '.join(words)}\n"
        return typed + last_screen(codecjob(*words), folder, env, COLUMNS).text()

    see("submit", "examples/bad-run.yaml")
    followed = screens(codecjob("submit", "examples/quickstart.yaml"), folder, env, COLUMNS)
    typed = "\x1b[2m$\x1b[0m codecjob submit examples/quickstart.yaml\n"
    shoot("follow", typed + first_screen(followed, lambda text: text.count("GOOD") > 1))
    shoot("status", see("status"))
    for _ in followed:
        pass
    shoot("run", see("status", "@last"))
    report = folder / "report.html"
    see("report", "@last", "--out", str(report))
    take_report(page, report)


def take_report(page: Page, report: Path) -> None:
    """The pictures of a report that is there already."""
    for name, width, height, part in REPORT:
        page.set_viewport_size({"width": width, "height": height})
        page.goto(report.as_uri())
        page.wait_for_selector("html[data-drawn=all]", state="attached")
        if part != "verdict":
            page.locator(f"#{part}").evaluate("part => part.scrollIntoView({behavior: 'instant'})")
        save(name, page.screenshot())


def save(name: str, picture: bytes) -> None:
    """Writes a PNG with a palette: a fifth of the size, and text stays text."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    path = IMAGES / f"{name}.png"
    image.quantize(96, dither=Image.Dither.NONE).save(path, optimize=True)
    sys.stdout.write(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB\n")


def main() -> None:
    """Takes the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="codecjob-pictures-") as temporary, sync_playwright() as playwright:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary).resolve()
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(device_scale_factor=1.5)

        def shoot(name: str, coloured: str) -> None:
            text = Text.from_ansi(coloured.replace(str(folder), "/lab"))
            width = max(map(len, text.plain.splitlines())) + 1
            console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
            console.print(text, soft_wrap=True)
            page.set_content(console.export_svg(title="codecjob", code_format=WINDOW))
            save(name, page.locator("svg").first.screenshot())

        take(folder, shoot, page)
        browser.close()


if __name__ == "__main__":
    main()
