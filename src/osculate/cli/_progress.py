"""A progress bar on a terminal; nothing elsewhere."""

from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from osculate import train


class Bar:
    """Shows each fit of a job: steps, time left, and every part of the loss."""

    def __init__(self, *, quiet: bool):
        """Prepares the bar.

        Args:
            quiet: Show nothing, even on a terminal.
        """
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:>6.0f} steps"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[losses]}"),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._tasks: dict[str, int] = {}

    def __enter__(self) -> "Bar":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def watch(self, leg: str, progress: "train.Progress") -> None:
        """Moves the bar of one fit."""
        if leg not in self._tasks:
            self._tasks[leg] = self._bar.add_task(leg, total=progress.steps, losses="")
        parts = {
            name.rpartition(".")[2]: value
            for name, value in progress.record.items()
            if name != "step"
        }
        losses = "  ".join(f"{name} {value:.1e}" for name, value in parts.items())
        task = self._tasks[leg]
        self._bar.update(task, completed=progress.step, losses=losses)  # pyright: ignore[reportArgumentType]
