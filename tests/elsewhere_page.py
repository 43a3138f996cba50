"""docs/elsewhere.md, as a reader uses it: a block of settings for each backend, and the commands that start those that run here."""

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[1] / "docs" / "elsewhere.md"


class Server(NamedTuple):
    """The command by which the page starts a backend."""

    environment: dict[str, str]
    command: list[str]


def chapters() -> dict[str, str]:
    """The text of each chapter, by its title."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks(text: str) -> list[str]:
    """The blocks of shell in it."""
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def settings() -> dict[str, str]:
    """The block of settings for each backend, by the title of its chapter."""
    found = {title: [block for block in blocks(text) if block.startswith("export ")] for title, text in chapters().items()}
    return {title: "".join(chosen) for title, chosen in found.items() if chosen}


def aimed_at(url: str, block: str) -> str:
    """The same settings with that address in place of each that they name; paths stay."""
    return re.sub(r"https?://[^/\s\"']+", url, block)


def variables(url: str, title: str) -> dict[str, str]:
    """What a shell makes of the settings in that chapter, with that address."""
    script = f"{aimed_at(url, settings()[title])}\nenv -0"
    made = subprocess.run(
        ["sh", "-eu", "-c", script], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True
    )
    pairs = dict(line.split("=", 1) for line in made.stdout.split("\0") if line)
    return {name: value for name, value in pairs.items() if name.startswith("OTEL_")}


def server(title: str) -> Server:
    """How that chapter starts its backend: the last line of its block, after what is installed."""
    [block] = [block for block in blocks(chapters()[title]) if not block.startswith("export ")]
    words = shlex.split(block.splitlines()[-1])
    pairs = [word for word in words if re.fullmatch(r"[A-Z_]+=.*", word)]
    return Server(dict(pair.split("=", 1) for pair in pairs), words[len(pairs) :])
