import dataclasses
import re
from html.parser import HTMLParser

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from osculate import report
from osculate.report._numbers import significant, typeset

DASH, TIMES = "\N{EN DASH}", "\N{MULTIPLICATION SIGN}"
VOID = {"meta", "link", "br", "path", "line"}
TAGS = {
    *("html", "head", "meta", "link", "title", "style", "body", "main", "header"),
    *("section", "h1", "h2", "h3", "p", "a", "b", "i", "span", "br", "ul", "li"),
    *("div", "table", "thead", "tbody", "tr", "th", "td", "details", "summary"),
    *("dl", "dt", "dd", "pre", "figure", "figcaption", "svg", "path", "text", "line"),
}


class Reader(HTMLParser):
    """Reads a report, and checks that it is whole, plain and closed to the outside."""

    def __init__(self):
        super().__init__()
        self.open, self.texts, self.ids, self.headings = [], [], [], []

    def handle_starttag(self, tag, attrs):
        assert tag in TAGS
        for name, value in attrs:
            assert not name.startswith("on")
            assert name != "src"
            assert name != "href" or value in ("data:,", "#warnings", "#doubts")
            assert "http:" not in (value or "")
            assert "https:" not in (value or "")
            if name == "id":
                self.ids.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def read(document):
    reader = Reader()
    reader.feed(document)
    reader.close()
    assert not reader.open
    assert len(reader.ids) == len(set(reader.ids))
    assert "nan" not in re.sub(r"<[^>]*>", " ", document.split("<body>")[1]).split()
    return reader


def named_page(name, *, inputs=("T", "p"), rows=5, **fields):
    """A small page with the same hostile name everywhere a name can be."""
    x = np.linspace(0, 1, rows * len(inputs)).reshape(rows, -1)
    y = np.sin(3 * x[:, 0])
    evaluation = report.Evaluation(
        kind="test table",
        inputs=inputs,
        outputs=(name,),
        units={name: name, inputs[0]: name},
        x=x,
        truth={name: y},
        prediction={name: y + 0.01 * x[:, 0]},
    )
    line = np.linspace(0, 1, 5)
    cut = report.Slice(
        inputs[0], name, {name: 1.0}, line, line, line, line, line, np.full(5, np.nan)
    )
    found = {
        "title": name,
        "verdict": name,
        "evaluation": evaluation,
        "history": {"step": np.arange(3), "loss": np.ones(3), name: np.ones(3)},
        "slices": [cut],
        "facts": {name: {name: name}},
        "warnings": [name],
        "training_x": x,
    }
    return report.Page(**(found | fields))


def test_content_and_its_order(water_page):
    document = report.html(water_page(rows=60))
    reader = read(document)
    assert reader.headings == [
        "Prediction against truth",
        "Where the error lies",
        "Training",
        "Slices and slopes",
        "Gradients",
        "Warnings",
        "How it was made",
    ]
    assert document.count("<svg viewBox") == 12 + 4 + 1 + 4 + 2
    assert "Very good: values within" in document
    assert "5.0 times more accurate</b>, in the median, than trained on" in document
    assert "unknown" not in document
    assert (
        "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\""
        in document
    )


def test_size_and_determinism(water_page):
    document = report.html(water_page(rows=2000))
    assert len(document.encode()) <= 300_000
    assert document == report.html(water_page(rows=2000))
    assert not re.search("https?:|//|xmlns", document)
    assert "<script" not in document


def test_size_of_the_worst_case(water_page):
    page = water_page(rows=2000)
    rng = np.random.default_rng(1)
    noise = {
        name: np.std(true) * rng.standard_normal(2000) + np.mean(true)
        for name, true in page.evaluation.truth.items()
    }
    found = page.evaluation
    bad = report.Evaluation(
        found.kind,
        found.inputs,
        found.outputs,
        found.units,
        found.x,
        found.truth,
        noise,
        {name: values[::-1] for name, values in noise.items()},
    )
    assert len(report.html(water_page(evaluation=bad)).encode()) <= 300_000


def test_matplotlib_is_left_as_it_was(water_page):
    before = dict(mpl.rcParams)
    report.html(water_page(rows=20))
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "$x$",
        "a_b^{",
        "$\\frac{",
        "</title></style><img src=x onerror=alert(1)>",
        "\"'><svg onload=alert(1)>",
        "h" * 400,
        "ρ温度\u202eabc\U0001f4a7",
        "\x00\x1b\ud800",
        "https://example.org/?a=1&b=2",
        "&lt;b&gt;",
        "",
        "_",
        "[K] {x} %s",
    ],
)
def test_hostile_names(name):
    document = report.html(named_page(name))
    document.encode()
    reader = read(document)
    shown = re.sub("[\x00-\x08\x1b\ud800]", "\ufffd", name)
    if name:
        assert any(shown in text for text in reader.texts)


@settings(max_examples=15)
@given(st.text(max_size=40))
def test_any_name(name):
    read(report.html(named_page(name, slices=[], facts={"a": {name: name}})))


def build(*, rows=30, inputs=1, outputs=1, order=1, compare=False, error=0.01):
    """An evaluation of any size; the outputs are sums of sines."""
    rng = np.random.default_rng(3)
    x = rng.random((rows, inputs))
    names = tuple(f"x{i}" for i in range(inputs))
    truth = {f"y{j}": np.sin(3 * x + j).sum(axis=1) for j in range(outputs)}
    if order:
        for j in range(outputs):
            slopes = 3 * np.cos(3 * x + j)
            truth |= {f"y{j}_{n}": slopes[:, i] for i, n in enumerate(names)}
    if order > 1:
        for j in range(outputs):
            for i, n in enumerate(names):
                truth |= {f"y{j}_{n}{m}": x[:, i] * 1.0 for m in names[i:]}
    prediction = {k: v + error * rng.standard_normal(rows) for k, v in truth.items()}
    worse = {k: v + 10 * error for k, v in truth.items()} if compare else None
    outs = tuple(f"y{j}" for j in range(outputs))
    return report.Evaluation("test table", names, outs, {}, x, truth, prediction, worse)


@pytest.mark.parametrize("rows", [1, 2, 30])
@pytest.mark.parametrize("inputs", [1, 2, 5])
@pytest.mark.parametrize(
    "fields",
    [
        {"order": 0},
        {"outputs": 4, "order": 2, "compare": True},
        {"error": 0.0, "compare": True},
        {"error": 1e-300},
        {"error": 1e200},
    ],
)
def test_every_shape(rows, inputs, fields):
    evaluation = build(rows=rows, inputs=inputs, **fields)
    page = named_page("y", evaluation=evaluation, training_x=evaluation.x, slices=[])
    reader = read(report.html(page))
    assert ("Gradients" in reader.headings) == (
        inputs == 2 and fields.get("order", 1) > 0
    )


def test_what_is_left_out_is_said():
    evaluation = build(inputs=5, outputs=4, order=2)
    page = named_page("y", evaluation=evaluation, training_x=evaluation.x)
    document = report.html(page)
    assert "60 further derivatives of 84 quantities left out" in document
    assert "Of the 5 inputs, the two that explain most" in document


def test_the_inputs_that_matter_are_found(water_page):
    rng = np.random.default_rng(0)
    x = rng.random((400, 4))
    y = x.sum(axis=1)
    size = np.exp(6 * x[:, 1] + 3 * x[:, 3])
    evaluation = report.Evaluation(
        "test table",
        ("a", "b", "c", "d"),
        ("y",),
        {},
        x,
        {"y": y},
        {"y": y + 1e-6 * size},
    )
    document = report.html(water_page(evaluation=evaluation, training_x=x, slices=[]))
    assert re.search(r"are shown: b \(\d+%\) and d \(\d+%\)", document)


@pytest.mark.parametrize(
    "history",
    [
        {},
        {"step": np.zeros(0), "loss": np.zeros(0)},
        {"step": np.array([1]), "loss": np.array([0.5])},
        {"step": np.array([1]), "loss": np.array([0.0])},
        {"step": np.array([1, 2]), "loss": np.array([np.nan, np.nan])},
        {"step": np.array([1, 2, 3]), "loss": np.array([1.0, np.nan, -2.0])},
        {"step": np.array([1, 2, 1, 2]), "loss": np.array([1.0, 1e-30, 1.0, np.inf])},
        {"loss": np.array([1.0, 0.5])},
        {"step": np.arange(20_000), "loss": np.exp(-np.arange(20_000) / 30)},
    ],
)
def test_every_history(history):
    document = report.html(named_page("y", history=history))
    read(document)
    assert len(document) < 120_000


def test_nothing_known():
    nan = np.full(4, np.nan)
    evaluation = report.Evaluation(
        "test table",
        ("a", "b"),
        ("y",),
        {},
        np.zeros((4, 2)),
        {"y": nan, "y_a": nan, "y_b": nan},
        {"y": nan, "y_a": nan, "y_b": nan},
    )
    page = named_page("y", evaluation=evaluation, training_x=np.zeros((0, 2)))
    assert "nothing could be measured" in report.html(page)


def test_empty_and_flat_slices():
    none, line = np.zeros(0), np.linspace(0, 1, 9)
    flat, nan = np.full(9, 2.0), np.full(9, np.nan)
    cuts = [
        report.Slice("T", "y", {}, none, none, none, none, none, none),
        report.Slice("T", "y", {}, line, flat, 0 * flat, none, none, none),
        report.Slice("T", "y", {}, line, nan, nan, line, nan, nan),
        report.Slice("T", "y", {}, line[:1], flat[:1], nan[:1], none, none, none),
    ]
    read(report.html(named_page("y", slices=cuts * 4)))


def test_derivatives_that_hurt_are_said_to(water_page):
    found = water_page(rows=50).evaluation
    assert found.values_only is not None
    swapped = report.Evaluation(
        found.kind,
        found.inputs,
        found.outputs,
        found.units,
        found.x,
        found.truth,
        found.values_only,
        found.prediction,
    )
    document = report.html(water_page(evaluation=swapped))
    assert "5.0 times less accurate</b>, in the median" in document
    assert "more accurate" not in document


def test_a_fit_that_changes_nothing_is_no_better(water_page):
    found = water_page(rows=50).evaluation
    same = dataclasses.replace(found, values_only=found.prediction)
    document = report.html(water_page(evaluation=same))
    assert "no more accurate</b>, in the median" in document
    assert not re.search('class="(good|bad)"', document)


def test_errors_beyond_the_spread_are_times_of_it(water_page):
    found = water_page(rows=50).evaluation
    sign = (-1.0) ** np.arange(50)
    bad = {n: v + 1.2 * np.std(v) * sign for n, v in found.truth.items()}
    document = report.html(
        water_page(evaluation=dataclasses.replace(found, prediction=bad))
    )
    big = re.findall(r'class="big">([^<]*)<', document)
    assert big == [f"1.2{TIMES}"] * 3
    assert "the spread of the truth, worst of 2" in document


def test_a_part_of_the_rows_is_shown_and_all_are_measured(water_page):
    whole = water_page(rows=80).evaluation
    ours = report.metrics(whole.truth, whole.prediction)
    theirs = report.metrics(whole.truth, whole.values_only)
    totals = {"rows": 80, "training_rows": 9000, "metrics": ours, "values_only": theirs}
    document = report.html(dataclasses.replace(water_page(rows=20), **totals))
    assert "Measured on 80 held-out rows; fitted to 9,000 training rows" in document
    for row in (ours["h_T"], theirs["h_T"]):
        assert f"<td>{typeset(significant(row['rrmse']))}</td>" in document


def test_a_dash_is_explained(water_page):
    found = water_page(rows=50).evaluation
    flat = {**found.truth, "h_T": np.full(50, 4.2)}
    document = report.html(
        water_page(evaluation=dataclasses.replace(found, truth=flat))
    )
    assert f"<td>{DASH}</td>" in document
    assert f" {DASH} unknown: the truth does not vary here" in document
