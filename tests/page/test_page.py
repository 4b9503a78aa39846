"""The page in a browser."""

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.helpers.browser import OpenedPage
from tests.helpers.finished_run import recognised, write_pictures, write_run
from vidtldr.cli.entry import run
from vidtldr.page.runs import read_runs
from vidtldr.page.writer import write_page
from vidtldr.results.differences import Difference

Open = Callable[..., OpenedPage]

RIGHT = {
    "base": [True, True, True, True, False, False],
    "tome": [True, False, False, True, True, False],
    "vidtldr": [True, True, False, True, True, False],
}
NASTY = '<img src="https://example.com/x.png" onerror="document.title=1">&</script><b>ring</b>'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run with intervals and pictures of two videos."""
    differences = [Difference("tome", "base", -16.7, -30.0, 5.0), Difference("vidtldr", "base", 0.0, -20.0, 20.0)]
    made = write_run(tmp_path / "run", recognised(RIGHT), differences=differences)
    write_pictures(made, ["v1.mp4", "v2.mp4"])
    return made


def page_of(*folders: Path, **options: str) -> Path:
    return write_page(read_runs(folders), folders[0].parent / "page", **options)


def assert_self_contained(opened: OpenedPage, page: Path) -> None:
    """No error, no request to elsewhere, and each link leads to something."""
    assert opened.errors == []
    assert opened.foreign_requests == []
    addresses = [
        each.get_attribute(name) for name in ("href", "src") for each in opened.page.locator(f"[{name}]:not(use)").all()
    ]
    for address in filter(None, addresses):
        if address.startswith("#"):
            assert opened.page.locator(f"[id='{address[1:]}']").count() == 1
        elif not address.startswith("data:"):
            assert not urlsplit(address).scheme
            assert (page.parent / unquote(address)).is_file()


def cases(opened: OpenedPage) -> list[str]:
    return [f"{kind} {question}" for kind, question in zip(opened.texts(".what b"), opened.texts(".question"))]


def test_a_run_is_shown_with_all_that_it_left(open_page: Open, folder: Path):
    page = page_of(folder)
    opened = open_page(page)
    assert_self_contained(opened, page)
    assert opened.page.title() == "demo_recognition · vidtldr"
    assert opened.texts(".charts h3") == [
        "Score over GFLOPs",
        "Score over latency",
        "Tokens that leave each layer",
        "GFLOPs of each layer",
        "Share of each frame",
    ]
    assert "CPU of the test, 32-true" in opened.texts("figcaption")[1]
    assert len(opened.texts("table.sortable tbody tr")) == 3
    opened.page.get_by_text("Clips with pictures (2)").click()
    assert opened.texts("h4") == ["v1.mp4", "v2.mp4"]
    opened.page.get_by_text("Facts of this run").click()
    assert any("sha256 0123456789ab" in text for text in opened.texts("dd"))


def test_a_click_on_a_heading_sorts_and_another_turns_round(open_page: Open, folder: Path):
    opened = open_page(page_of(folder))
    heading = opened.page.get_by_role("button", name="GFLOPs")
    names = "table.sortable tbody th"
    assert [text.split()[0] for text in opened.texts(names)] == ["base", "tome", "vidtldr"]
    heading.click()
    assert [text.split()[0] for text in opened.texts(names)] == ["vidtldr", "tome", "base"]
    heading.click()
    assert [text.split()[0] for text in opened.texts(names)] == ["base", "tome", "vidtldr"]


def test_flips_of_the_chosen_pair_are_shown_the_lost_ones_first(open_page: Open, folder: Path):
    page = page_of(folder)
    opened = open_page(page)
    assert opened.texts(".count") == ["1 lost, 1 gained"]  # vidtldr against base
    assert cases(opened) == ["lost v2.mp4", "gained v4.mp4"]
    opened.page.get_by_label("What").select_option("tome")
    assert cases(opened) == ["lost v1.mp4", "lost v2.mp4", "gained v4.mp4"]
    assert opened.texts(".flips tbody th") == ["tome against base"]
    assert opened.texts(".flips tbody td") == ["2", "1", "2", "1", "1.000"]
    opened.page.get_by_label("against").select_option("tome")
    assert opened.texts(".count") == ["Choose two different methods."]
    assert cases(opened) == []
    assert_self_contained(opened, page)


def test_a_flip_shows_truth_predictions_and_pictures(open_page: Open, folder: Path):
    page = page_of(folder)
    opened = open_page(page)
    (lost, gained) = opened.texts(".case dl")
    assert lost.split("\n")[::2] == ["truth", "vidtldr", "base"]
    assert lost.split("\n")[1::2] == ["run", "✗ fly (the truth has rank 2)", "✓ run"]
    assert "✓ run" in gained
    pictures = opened.page.locator(".case img")
    assert [each.get_attribute("src") for each in pictures.all()] == [
        f"pictures/run-1/0001_{method}.png" for method in ("vidtldr", "base")
    ]
    assert all(each.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1 for each in pictures.all())
    assert opened.page.locator(".case a").first.get_attribute("href") == "pictures/run-1/0001_vidtldr.mp4"
    assert_self_contained(opened, page)


def test_the_filter_keeps_cases_with_all_its_words(open_page: Open, folder: Path):
    opened = open_page(page_of(folder))
    field = opened.page.get_by_label("Filter")
    field.fill("FLY v4")
    assert cases(opened) == ["gained v4.mp4"]
    assert opened.texts(".count") == ["0 lost, 1 gained"]
    field.fill("nothing like this")
    assert cases(opened) == []
    field.fill("")
    assert len(cases(opened)) == 2


def test_many_flips_are_shown_in_portions(open_page: Open, tmp_path: Path):
    right = {"base": [True] * 100, "vidtldr": [False] * 100}
    opened = open_page(page_of(write_run(tmp_path / "run", recognised(right))))
    shown = [opened.page.locator(".case").count()]
    while (more := opened.page.get_by_role("button", name="Show more")).is_visible():
        more.click()
        shown.append(opened.page.locator(".case").count())
    assert shown == [40, 80, 100]


def test_what_users_wrote_is_text(open_page: Open, tmp_path: Path):
    samples = {
        method: [{"query": "text", "id": 0, "video": NASTY, "caption": NASTY, "rank": rank, "prediction": NASTY}]
        for method, rank in (("base", 1), ("tome", 2))
    }
    made = write_run(tmp_path / "run", samples, config_name=NASTY, task="vidtldr.tasks.VideoTextRetrieval")
    page = page_of(made)
    opened = open_page(page)
    assert opened.texts("h1") == opened.texts(".question") == [NASTY]
    assert opened.page.title() == f"{NASTY} · vidtldr"
    assert opened.page.locator("main b:not(.what b), main img").count() == 0
    assert_self_contained(opened, page)


def test_three_runs_of_a_sweep_are_drawn_in_one_chart(open_page: Open, tmp_path: Path):
    folders = []
    for number in (1, 2, 3):
        gflops = {"base": 0.3, "tome": 0.3 - number / 20, "vidtldr": 0.28 - number / 20}
        folders.append(write_run(tmp_path / f"run{number}", recognised(RIGHT), gflops=gflops))
    page = page_of(*folders)
    opened = open_page(page)
    assert_self_contained(opened, page)
    assert opened.texts("h1") == ["3 runs compared"]
    assert opened.texts("#overview h3") == ["Score over GFLOPs", "Score over latency"]
    chart = opened.page.locator("#overview svg").first
    assert {"base", "tome", "vidtldr", "front"} <= set(chart.locator("text").all_text_contents())
    marks = {method: marks_of(page, method) for method in ("#d55e00", "#0072b2", "#7d8590")}
    assert marks == {"#d55e00": 3, "#0072b2": 3, "#7d8590": 1}  # base is the same in all
    assert len(opened.texts("section.run h2")) == len(opened.texts("nav a")) == 3


def test_the_values_of_a_sweep_in_one_run_are_joined(open_page: Open, tmp_path: Path):
    swept = {"base": RIGHT["base"], "tome-r1": RIGHT["tome"], "tome-r2": RIGHT["vidtldr"]}
    run = write_run(tmp_path / "run", recognised(swept), gflops={"base": 0.3, "tome-r1": 0.2, "tome-r2": 0.1})
    chart = open_page(page_of(run)).page.locator(".panels svg, section.run svg").first
    told = set(chart.locator("text").all_text_contents())
    assert {"base", "tome"} <= told
    assert not {"tome-r1", "tome-r2"} & told


def marks_of(page: Path, colour: str) -> int:
    """Points of a colour in the first chart, less that of the legend."""
    chart = re.search(r"<svg.*?</svg>", page.read_text(), re.DOTALL)[0]
    return len(re.findall(rf"<use [^>]*fill: {colour}", chart)) - 1


def test_latencies_of_different_devices_are_told_apart(open_page: Open, tmp_path: Path):
    folders = [write_run(tmp_path / name, recognised(RIGHT), device=name) for name in ("H100", "A100")]
    gflops, latency = open_page(page_of(*folders)).page.locator("#overview svg").all()
    devices = {"H100, 32-true", "A100, 32-true"}
    assert devices <= set(latency.locator("text").all_text_contents())
    assert not devices & set(gflops.locator("text").all_text_contents())


def test_runs_of_different_data_give_figure_1_and_relative_charts(open_page: Open, tmp_path: Path):
    folders = [
        write_run(tmp_path / name, recognised(RIGHT), config_name=name, data=f"datamodules.{name}")
        for name in ("MSVD", "DiDeMo", "UCF101")
    ]
    page = page_of(*folders)
    opened = open_page(page)
    assert_self_contained(opened, page)
    titles = ["Score and GFLOPs over data sets", "Score over GFLOPs, relative", "Score over latency, relative"]
    assert opened.texts("#overview h3") == titles
    for chart in opened.page.locator("#overview svg").all():
        assert {"MSVD", "DiDeMo", "UCF101"} <= set(chart.locator("text").all_text_contents())


def test_another_baseline_is_what_methods_are_compared_with(open_page: Open, folder: Path):
    opened = open_page(page_of(folder, baseline="tome"))
    assert "difference to tome" in opened.texts("figcaption")[0]
    assert opened.texts("table.sortable th[scope=col]")[3:5] == ["Δ base", "Δ tome"]
    cells = [text.split("\t")[3:5] for text in opened.texts("table.sortable tbody tr")]
    assert re.fullmatch(r"-\t\+16\.7 \[[-+]\d+\.\d, \+\d+\.\d\]", "\t".join(cells[0]))
    assert cells[1] == ["-16.7 [-30.0, +5.0]", "-"]  # as recorded
    assert re.fullmatch(r"\+16\.7 \[[-+]\d+\.\d, \+\d+\.\d\]", cells[2][1])  # drawn from the samples
    assert opened.texts(".flips tbody th") == ["vidtldr against tome"]


def test_a_run_without_samples_or_base_still_gives_a_page(open_page: Open, tmp_path: Path):
    made = write_run(tmp_path / "run", recognised({"vidtldr": [True, False]}))
    (made / "samples.jsonl").unlink()
    page = page_of(made)
    opened = open_page(page)
    assert_self_contained(opened, page)
    assert "The run left no samples.jsonl." in opened.texts(".flips p")
    assert "no intervals" in opened.texts("figcaption")[0]


@pytest.mark.parametrize(("num_frames", "step"), [(4, "tubelet of 2 frames"), (2, "frame"), (None, "frame")])
def test_shares_are_counted_by_what_shares_tokens(num_frames: int | None, step: str, tmp_path: Path):
    made = write_run(tmp_path / "run", recognised(RIGHT))
    results = json.loads((made / "results.json").read_text())
    results["config"]["model"]["init_args"]["num_frames"] = num_frames
    (made / "results.json").write_text(json.dumps(results))
    assert re.findall(r">((?:frame|tubelet)[^<]*)</text>", page_of(made).read_text()) == [step]


def test_a_run_of_an_older_version_gives_a_page_without_what_it_lacks(open_page: Open, folder: Path):
    results = json.loads((folder / "results.json").read_text())
    for name, method in results["methods"].items():
        for key in ("tokens_per_layer", "gflops_per_layer", "frame_shares"):
            del method[key]
        if name != "base":
            method["difference_to_base"] = {"score": "top1", "difference": -5.0, "low": -9.0, "high": -1.0}
    del results["baselines"], results["differences"]
    (folder / "results.json").write_text(json.dumps(results | {"schema_version": 4}))
    page = page_of(folder)
    opened = open_page(page)
    assert_self_contained(opened, page)
    assert opened.texts(".charts h3") == ["Score over GFLOPs", "Score over latency"]
    assert "[-9.0, -1.0]" in opened.texts("table.sortable tbody")[0]


def test_a_dark_page_has_light_text(open_page: Open, folder: Path):
    opened = open_page(page_of(folder), color_scheme="dark")
    colour = "(element, property) => getComputedStyle(element)[property].match(/\\d+/g).slice(0, 3).map(Number)"
    background = sum(opened.page.locator("body").evaluate(colour, "backgroundColor"))
    text = sum(opened.page.locator("svg text").first.evaluate(colour, "fill"))
    assert background < 150 < 600 < text


def test_the_same_run_gives_the_same_bytes(folder: Path):
    first = page_of(folder).read_bytes()
    assert page_of(folder).read_bytes() == first
    assert unescape(first.decode()).count("demo_recognition")


def test_the_command_says_where_the_page_is(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert run("vidtldr.page.command", [str(folder)]) == 0
    assert capsys.readouterr().out == f"page: {folder / 'page' / 'index.html'}\n"
    assert run("vidtldr.page.command", [str(folder), "--out", str(tmp_path / "a" / "b")]) == 0
    assert (tmp_path / "a" / "b" / "pictures" / "run-1" / "0000_base.png").is_file()


def test_a_mistake_is_one_sentence(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "file").write_text("")
    for arguments, sentence in (
        ([str(tmp_path / "nowhere")], "holds no results.json"),
        ([str(folder), "--baseline", "mine"], "has no method 'mine'; it has base, tome, vidtldr"),
        ([str(folder), "--out", str(tmp_path / "file")], "cannot write to"),
    ):
        assert run("vidtldr.page.command", arguments) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith("error: ")
        assert sentence in line
    results = json.loads((folder / "results.json").read_text())
    (folder / "results.json").write_text(json.dumps(results | {"schema_version": 99}))
    assert run("vidtldr.page.command", [str(folder)]) == 2
    assert "schema version 99" in capsys.readouterr().err
