"""What a run keeps of its methods while it is at work."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.results.test_report import THREE
from vidtldr.evaluation.run_folder import Run


@pytest.mark.parametrize("name", ["lock", "run.json", "tome"])
def test_a_method_may_be_called_like_a_file_of_the_work(name: str, tmp_path: Path) -> None:
    run = Run.open(tmp_path, {"config": "a"})
    run.store(name).put("views", 0, {"a": torch.zeros(1)}, {"items": 1})
    assert run.finished(name) is None
    result = replace(THREE[1], name=name)
    run.finish(result)
    assert run.finished(name) == result
    assert not run.store(name).outputs("views")
    run.close()
    assert not run.work.exists()
