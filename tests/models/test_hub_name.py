"""Names of models on the hub, told from paths."""

from pathlib import Path

import pytest

from vidtldr.models.hub_name import HubName, parse_hub_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("MCG-NJU/videomae-base", HubName("MCG-NJU/videomae-base")),
        ("org/name@refs/pr/1", HubName("org/name", "refs/pr/1")),
        ("org/name:a/b.pth", HubName("org/name", None, "a/b.pth")),
        ("org/name@v1:b.pth", HubName("org/name", "v1", "b.pth")),
        ("weights/b.pth", None),
        ("../org/name", None),
        ("./org/name", None),
        ("/org/name", None),
        ("org/name/more", None),
        ("name", None),
        ("C:\\org\\name", None),
    ],
)
def test_names_of_the_hub_are_told_from_paths(text: str, name: HubName | None) -> None:
    assert parse_hub_name(text) == name
    assert name is None or str(name) == text


def test_what_exists_is_no_name_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "name").mkdir(parents=True)
    assert parse_hub_name("org/name") is None
    assert parse_hub_name("org/other") == HubName("org/other")
