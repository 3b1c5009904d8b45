"""What the speed benchmarks share: interleaved timing, a description of the machine, a table."""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table

from pnp_priors import registry


def arguments(description: str, repeats: int, threads: int = 1) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--threads", type=int, default=threads, help=f"CPU threads (default {threads})"
    )
    parser.add_argument("--repeats", type=int, default=repeats, help=f"default {repeats}")
    return parser


def machine(device: torch.device) -> str:
    """Processor or GPU, threads and versions, in one line."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = platform.processor() or platform.machine()
        cpuinfo = Path("/proc/cpuinfo")
        if cpuinfo.is_file():
            lines = cpuinfo.read_text(encoding="utf-8").splitlines()
            models = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
            name = models[0] if models else name
        name += f", {torch.get_num_threads()} thread(s)"
    return (
        f"{name}; torch {torch.__version__}, Python {platform.python_version()}, "
        f"pnp_priors {registry.version()}"
    )


def devices() -> list[torch.device]:
    """The CPU and, where there is one, the GPU."""
    found = [torch.device("cpu")]
    return [*found, torch.device("cuda")] if torch.cuda.is_available() else found


def interleaved(
    actions: Mapping[str, Callable[[], object]], repeats: int, device: torch.device
) -> dict[str, list[float]]:
    """Seconds of every repeat of every action.

    The actions take turns, so that other load on the machine falls on all of them; each runs once
    beforehand. On a GPU the clock waits for it.
    """

    def run(action: Callable[[], object]) -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        began = time.perf_counter()
        action()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - began

    for action in actions.values():
        run(action)
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            seconds[name].append(run(action))
    return seconds


def best_and_median(seconds: Sequence[float]) -> str:
    """Milliseconds, best and median."""
    return f"{1e3 * min(seconds):,.1f} / {1e3 * median(seconds):,.1f}"


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str) -> None:
    """Print one table with a note below it."""
    table = Table(title=title, title_justify="left", caption=note, caption_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def page(
    title: str, command: str, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str
) -> str:
    """The same table as a Markdown page that says which command wrote it."""
    lines = [columns, ["---"] * len(columns), *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"# {title}\n\nWritten by `{command}`. {note}.\n\n{table}\n"
