"""TensorBoard itself, opened in a browser on what a run leaves: the methods lie over each other there."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import pytest

from tests.results.test_report import THREE, TOME_LESS_BASE, record
from vidtldr.results.report import markdown
from vidtldr.results.tensorboard import REPORT_RUN, MethodLogger, write_report

pytestmark = pytest.mark.slow
CURVES = {"over_layers/tokens": [(1, 2352.0), (2, 1852.0)], "found_among_first_K/t2v": [(1, 40.0), (5, 60.0)]}
PATIENCE = 120.0  # seconds until TensorBoard has started, on a busy machine


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """TensorBoard runs of three methods and of their report."""
    folder = tmp_path_factory.mktemp("tensorboard")
    run = record(*THREE)
    for result in run.results:
        logger = MethodLogger(folder, result.name, run.score_tables)
        logger.log_result(result, ["r"])
        logger.log_curves(CURVES)
        logger.log_comparison(result, [TOME_LESS_BASE], album=None)
    write_report(folder, markdown(run))
    return folder


@pytest.fixture(scope="module")
def address(logs: Path) -> Iterator[str]:
    """Where a TensorBoard of these runs answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--logdir", str(logs), "--host", "127.0.0.1", "--port", str(port), "--load_fast=false"]
    process = subprocess.Popen([sys.executable, "-m", "tensorboard.main", *words], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while REPORT_RUN not in answer(f"http://127.0.0.1:{port}/data/runs"):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.3)  # polls
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(30)


def answer(url: str) -> list | dict:
    """What the server says; nothing as long as it does not answer."""
    try:
        with urllib.request.urlopen(url, timeout=30) as said:
            return json.load(said)
    except URLError:
        return []


def test_scalars_are_served_under_one_tag_for_all_methods(address: str) -> None:
    tags = answer(f"{address}data/plugin/scalars/tags")
    assert set(tags) == {"base", "tome", "vidtldr"}  # of the report there is text alone
    assert set(CURVES) <= set(tags["base"]) & set(tags["tome"]) & set(tags["vidtldr"])
    assert "difference_to_base/low" in tags["tome"]
    assert "difference_to_base/low" not in tags["base"]
    for method in tags:
        points = answer(f"{address}data/plugin/scalars/scalars?run={method}&tag=over_layers%2Ftokens")
        assert [(step, value) for _, step, value in points] == CURVES["over_layers/tokens"]


def test_the_report_is_served_once(address: str) -> None:
    assert answer(f"{address}data/plugin/text/tags") == {REPORT_RUN: ["report/text_summary"]}


def test_the_page_shows_the_runs_and_asks_nobody_else(address: str, open_page) -> None:
    opened = open_page(f"{address}#timeseries")
    for name in ("base", "tome", "vidtldr", REPORT_RUN):
        opened.page.get_by_text(name, exact=True).first.wait_for(timeout=1000 * PATIENCE)
    opened.page.get_by_text("over_layers").first.wait_for(timeout=1000 * PATIENCE)
    assert opened.foreign_requests == []
