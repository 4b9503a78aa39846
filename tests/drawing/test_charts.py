import math
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from vidtldr.drawing.charts import NEUTRAL, Point, Reference, Series, colours, curves, front, over_sets, trade_off

PALETTE = colours(["base", "tome", "vidtldr", "_x"])
SERIES = [
    Series("tome", (Point(1, 10), Point(2, 30))),
    Series("vidtldr", (Point(3, 20, low=10, high=30),)),
]


def scores_over_cost(series: list[Series] = SERIES, **options: object) -> str:
    return trade_off(series, PALETTE, title="scores", x_label="GFLOPs", y_label="top-1 (%)", **options)


def lines_of(svg: str, colour: str) -> list[list[tuple[float, float]]]:
    """The corners of each line of a colour, in the pixels of the chart."""
    drawn = re.findall(rf'<path d="([^"]*)"[^>]*style="fill: none; stroke: {colour}', svg)
    return [[(float(x), float(y)) for x, y in re.findall(r"[ML] (\S+) (\S+)", path)] for path in drawn]


def texts_of(svg: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_methods_have_colours_of_their_own_and_base_is_grey():
    found = colours(["a", "base", "b", "a", "c", "d", "e", "f"])
    assert found["base"] == NEUTRAL
    assert len(set(found.values())) == 7
    assert found["a"] == colours(["base", "a"])["a"]


def test_the_front_is_what_no_other_point_excels():
    cheap, dear, excelled, same_cost, as_good = Point(1, 50), Point(3, 70), Point(2, 40), Point(3, 65), Point(4, 70)
    assert front([as_good, dear, excelled, same_cost, cheap]) == [cheap, dear]
    assert front([Point(0, math.nan), cheap, Point(2, math.nan), dear]) == [cheap, dear]
    assert front([]) == []


def test_an_interval_reaches_from_its_low_to_its_high_end():
    svg = scores_over_cost()
    ((_, low), (_, high)) = next(line for line in lines_of(svg, PALETTE["tome"]) if len(line) == 2)
    interval = next(line for line in lines_of(svg, PALETTE["vidtldr"]) if line[0][0] == line[1][0])
    assert [y for _, y in interval] == pytest.approx([low, high], abs=0.01)  # tome's two scores are the ends


def intervals(svg: str, *methods: str, palette: dict[str, str] = PALETTE) -> list[tuple[float, float, float]]:
    """Where the interval of each method stands, its low and its high end, in pixels."""
    found = []
    for method in methods:
        ((x, low), (_, high)) = next(line for line in lines_of(svg, palette[method]) if len(line) == 2)
        found.append((x, low, high))
    return found


def test_intervals_at_one_cost_stand_side_by_side_and_keep_their_heights():
    base, tome = Series("base", (Point(4, 40),)), Series("tome", (Point(2, 20, low=10, high=30),))
    svg = scores_over_cost([base, tome, Series("vidtldr", (Point(2.001, 24, low=10, high=30),))])
    (left, *ends), (right, *same_ends) = intervals(svg, "tome", "vidtldr")
    assert right - left == pytest.approx(6, abs=0.2)
    assert ends == same_ends
    assert intervals(scores_over_cost([base, tome]), "tome")[0][0] == pytest.approx(left)  # the first stays


def test_intervals_that_cover_nothing_stand_at_their_cost():
    base, tome = Series("base", (Point(4, 60),)), Series("tome", (Point(2, 20, low=10, high=30),))
    for above in (Point(2, 45, low=40, high=50), Point(2.5, 20, low=10, high=30)):
        svg = scores_over_cost([base, Series("tome", (Point(above.x, 20, low=10, high=30),)), tome])
        (first, *_), *_ = intervals(svg, "tome")
        (x, *_), *_ = intervals(scores_over_cost([base, tome, Series("vidtldr", (above,))]), "vidtldr")
        assert x == pytest.approx(first)


def test_many_series_at_one_cost_do_not_leave_it():
    names = ["m1", "m2", "m3", "m4", "m5", "m6"]
    series = [Series(name, (Point(1, 20, low=10, high=30),)) for name in names]
    palette = colours([*names, "base"])
    svg = trade_off([*series, Series("base", (Point(2, 40),))], palette, title="t", x_label="x", y_label="y")
    x = [place for place, *_ in intervals(svg, *names, palette=palette)]
    assert len(set(x)) == 6
    assert max(abs(place - x[0]) for place in x) == pytest.approx(12, abs=0.1)


def test_several_points_of_a_method_are_joined_from_left_to_right():
    svg = scores_over_cost([Series("tome", (Point(3, 1), Point(1, 1), Point(2, 1)))])
    line = max(lines_of(svg, PALETTE["tome"]), key=len)
    assert [x for x, _ in line] == sorted(x for x, _ in line)


def test_runs_are_told_apart_by_their_markers():
    one = [Series(method, (Point(1, 1),), "only") for method in ("tome", "vidtldr")]
    three = [Series("tome", (Point(number, number),), f"run {number}") for number in (1, 2, 3)]
    assert "only" not in texts_of(scores_over_cost(one))
    assert {"tome", "run 1", "run 2", "run 3"} <= set(texts_of(scores_over_cost(three)))


def test_the_front_and_the_band_are_drawn_on_request():
    plain = scores_over_cost()
    assert "front" in texts_of(scores_over_cost(with_front=True))
    assert "front" not in texts_of(plain)
    banded = scores_over_cost(reference=Reference(25, 20, 30))
    assert "opacity: 0.13" in banded
    assert "opacity: 0.13" not in plain


def test_a_line_has_a_value_for_each_layer():
    svg = curves({"base": [4, 4, 4], "tome": [4, 2, 1]}, PALETTE, title="tokens", x_label="layer", y_label="tokens")
    base, tome = (
        max(lines_of(svg, PALETTE[name]), key=lambda line: line[-1][0] - line[0][0]) for name in ("base", "tome")
    )
    (_, first), (_, second), (_, third) = tome
    assert first == pytest.approx(base[0][1])
    assert second - first == pytest.approx(2 * (third - second), abs=0.01)


def test_a_data_set_has_a_bar_for_each_method_that_was_evaluated():
    scores = {"msvd": {"base": Point(0, 80), "tome": Point(0, 70, 68, 72)}, "ucf": {"base": Point(0, 90)}}
    gflops = {"msvd": {"base": 300.0, "tome": 200.0}, "ucf": {"base": 180.0}}
    svg = over_sets(scores, gflops, PALETTE, title="Figure 1")
    assert {"msvd", "ucf", "base", "tome", "GFLOPs"} <= set(texts_of(svg))
    assert len(re.findall(rf'clip-path="[^"]*" style="fill: {NEUTRAL}"', svg)) == 2
    assert len(re.findall(rf'clip-path="[^"]*" style="fill: {PALETTE["tome"]}"', svg)) == 1


def test_a_method_whose_name_begins_with_an_underscore_stands_in_the_legend():
    named = [Series("_x", (Point(1, 10),)), Series("tome", (Point(2, 30),))]
    assert [text.strip() for text in texts_of(scores_over_cost(named))].count("_x") == 1
    layers = curves({"_x": [3.0, 2.0], "tome": [3.0, 1.0]}, PALETTE, title="t", x_label="x", y_label="y")
    assert [text.strip() for text in texts_of(layers)].count("_x") == 1


def test_names_are_text_whatever_they_hold():
    name = "<b>&$x^2$"
    svg = trade_off([Series(name, (Point(1, 1),))], colours([name]), title=name, x_label=name, y_label="y")
    assert texts_of(svg).count(name) == 2
    assert "<b>" not in svg


def test_a_chart_has_no_name_in_common_with_another_nor_an_address():
    charts = [scores_over_cost(), curves({"base": [1, 2]}, PALETTE, title="c", x_label="x", y_label="y")]
    first, second = (set(re.findall(r' id="([^"]+)"', svg)) for svg in charts)
    assert first
    assert not first & second
    for svg in charts:
        assert "<style" not in svg
        assert set(re.findall(r"https?://[^\"']*", svg)) <= {
            "http://www.w3.org/1999/xlink",
            "http://www.w3.org/2000/svg",
        }


def test_the_same_values_give_the_same_bytes_here_and_in_another_process():
    here = scores_over_cost(with_front=True, reference=Reference(25, 20, 30))
    assert here == scores_over_cost(with_front=True, reference=Reference(25, 20, 30))
    program = (
        "import sys; from tests.drawing.test_charts import *;"
        "sys.stdout.write(scores_over_cost(with_front=True, reference=Reference(25, 20, 30)))"
    )
    other = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    assert other.stdout == here
