"""A progress bar on a terminal; nothing elsewhere."""

from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from osculate import train


class Bar:
    """One line per fit with steps and time left, and below them every loss of now.

    Attributes:
        shown: Whether anyone sees it.
    """

    def __init__(self, *, quiet: bool):
        """Prepares the bar.

        Args:
            quiet: Show nothing, even on a terminal.
        """
        console = Console(stderr=True)
        self.shown = console.is_terminal and not quiet
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[step]:>5.0f} steps"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
        )
        self._losses = Text(style="dim", no_wrap=True, overflow="ellipsis")
        group = Group(self._bars, self._losses)
        self._live = Live(group, console=console, refresh_per_second=8)
        self._lines: dict[str, TaskID] = {}

    def __enter__(self) -> "Bar":
        if self.shown:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._losses.plain = ""
        self._live.stop()

    def watch(self, leg: str, progress: train.Progress) -> None:
        """Moves the bar of one fit."""
        if leg not in self._lines:
            for line in self._lines.values():
                self._bars.stop_task(line)
            self._lines[leg] = self._bars.add_task(leg, step=0)
        limits = (progress.step, progress.steps), (progress.seconds, progress.limit)
        shares = [(done, total) for done, total in limits if total]
        done, total = max(shares, key=lambda s: s[0] / s[1], default=(0, None))
        at = self._lines[leg]
        self._bars.update(at, completed=done, total=total, step=progress.step)
        parts = [
            f"{name.rpartition('.')[2]} {value:.1e}"
            for name, value in progress.record.items()
            if name != "step"
        ]
        self._losses.plain = "  ".join(parts)
