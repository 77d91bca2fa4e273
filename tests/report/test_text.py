import io
import re

from rich.console import Console

from osculate import report


def render(table, **settings):
    console = Console(file=io.StringIO(), width=80, **settings)
    console.print(table)
    return console.file.getvalue()


def test_table_fits_a_terminal(water_page):
    found = water_page(rows=50).evaluation
    ours = report.metrics(found.truth, found.prediction)
    theirs = report.metrics(found.truth, found.values_only)
    text = render(report.table(ours, theirs, units=found.all_units()))
    lines = text.splitlines()
    assert len(lines) == 1 + len(ours)
    assert max(map(len, lines)) <= 80
    assert "…" not in text
    assert "\x1b" not in text
    head = lines[0].split()
    assert head == ["R2", "RRMSE", "max", "error", "values", "only", "better"]
    row = next(line for line in lines if line.startswith("rho_Tp")).split("  ")
    assert row[-1].strip().endswith("x")


def test_colours_only_in_a_terminal(water_page):
    found = water_page(rows=50).evaluation
    ours = report.metrics(found.truth, found.prediction)
    theirs = report.metrics(found.truth, found.values_only)
    settings = {"force_terminal": True, "color_system": "standard"}
    assert "\x1b[32m" in render(report.table(ours, theirs, units={}), **settings)
    assert "\x1b[31m" in render(report.table(theirs, ours, units={}), **settings)
    same = render(report.table(ours, ours, units={}), **settings)
    assert not {"\x1b[31m", "\x1b[32m"} & set(re.findall("\x1b.*?m", same))


def test_a_dash_is_explained():
    row = {"rrmse": 0.1, "r2": 0.99, "max": 0.5}
    known = render(report.table({"h": row}, units={}))
    assert "\N{EN DASH}" not in known
    text = render(report.table({"h": row, "h_T": dict.fromkeys(row)}, units={}))
    assert "\N{EN DASH} unknown: the truth does not vary" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


def test_names_are_no_markup():
    row = {"rrmse": None, "r2": None, "max": 0.0}
    text = render(report.table({"[red]h[/red]": row}, units={"[red]h[/red]": "[K]"}))
    assert "[red]h[/red]" in text
    assert "[K]" in text
