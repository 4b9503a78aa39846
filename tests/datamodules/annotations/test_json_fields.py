import pytest

from datamodules.annotations.json_fields import json_object, strings


@pytest.mark.parametrize(("value", "expected"), [("a", ["a"]), (["a", "b"], ["a", "b"])])
def test_one_text_and_a_list_of_texts_are_the_same_to_a_reader(value, expected):
    assert strings("here", {"key": value}, "key") == expected


@pytest.mark.parametrize("value", ["", " ", [], ["a", " "], ["a", 7], 7, None, {"a": 1}, [["a"]]])
def test_anything_else_is_quoted_with_its_place(value):
    with pytest.raises(ValueError, match="here: key 'key' must be a text or a list of texts, not"):
        strings("here", {"key": value}, "key")


def test_some_but_not_all_texts_may_be_blank_where_that_is_asked_for():
    assert strings("here", {"key": ["a", " "]}, "key", blank=True) == ["a", " "]
    with pytest.raises(ValueError, match="must be a text"):
        strings("here", {"key": [" ", ""]}, "key", blank=True)


def test_a_field_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(ValueError, match="here: key 'key' is missing; it has 'a', 'b'"):
        strings("here", {"a": 1, "b": 2}, "key")
    with pytest.raises(ValueError, match="here: key 'key' is missing; it has none"):
        strings("here", {}, "key")


def test_a_record_must_be_an_object():
    assert json_object("here", {"a": 1}, "a") == {"a": 1}
    with pytest.raises(ValueError, match="here: is a list, expected an object with 'a' and 'b'"):
        json_object("here", [1], "a", "b")
