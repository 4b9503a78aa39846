from xml.etree import ElementTree

import pytest

from tests.evidence.made_up import evidence
from vidtldr.evidence.charts import frame_chart, layer_chart

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("chart", "own"), [(layer_chart, ["saliency, untrained", "vid-TLDR merges"]), (frame_chart, ["objects"])]
)
def test_a_chart_has_a_column_for_each_model_and_the_same_bytes_each_time(chart, own):
    found = [evidence("first"), evidence("second", weights=("untrained",))]
    drawn = chart(found)
    assert drawn == chart(found)
    texts = ["".join(text.itertext()) for text in ElementTree.fromstring(drawn).iter(f"{SVG}text")]
    for name in ("first", "second", "saliency", "attentiveness", "rollout", "random", *own):
        assert texts.count(name) == 1


def test_other_numbers_are_another_chart():
    assert layer_chart([evidence(videos=8)]) != layer_chart([evidence(videos=9)])
