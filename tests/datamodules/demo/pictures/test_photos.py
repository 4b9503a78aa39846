import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from datamodules.demo.__main__ import main
from datamodules.demo.pictures.photos import PHOTOS, load_photo


@pytest.fixture(params=["skimage", "sklearn"])
def missing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package of the extra ``demo``, as if it were not installed."""
    load_photo.cache_clear()
    monkeypatch.setitem(sys.modules, request.param, None)
    yield request.param
    load_photo.cache_clear()


def test_photographs_of_a_missing_package_name_the_extra_to_install(missing: str) -> None:
    photo = next(name for name, facts in PHOTOS.items() if facts.package == missing)
    with pytest.raises(FileNotFoundError) as raised:
        load_photo(photo)
    assert str(raised.value) == f"the demo videos need photographs of {missing}: pip install 'vidtldr[demo]'"


def test_the_generator_says_the_same_in_one_line(
    missing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--root", str(tmp_path), "--test", "16", "--processes", "1"]) == 2
    error = f"error: the demo videos need photographs of {missing}: pip install 'vidtldr[demo]'\n"
    assert capsys.readouterr().err.endswith(error)
