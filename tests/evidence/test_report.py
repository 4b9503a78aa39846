import json

import numpy as np
import pytest

from tests.evidence.made_up import evidence
from vidtldr.evidence.report import as_json, blocks, late_share, merging_mean


@pytest.mark.parametrize(
    ("shares", "late"), [([0.1, 0.2, 0.3, 0.4], 0.7), ([0.2, 0.3, 0.5], 0.65), ([1.0], 0.5), ([0.25] * 4, 0.5)]
)
def test_the_later_half_has_half_of_a_middle_frame(shares, late):
    assert late_share(np.array([shares])) == pytest.approx([late])


def test_layers_in_which_nothing_merges_are_no_part_of_the_mean():
    made_up = evidence()
    values = np.arange(2 * 3 * 2.0).reshape(2, 3, 2)
    assert np.array_equal(merging_mean(made_up, values), (values[:, 0] + values[:, 1]) / 2)


def test_tables_show_trained_models_before_untrained_ones():
    found = [evidence("first"), evidence("second", weights=("untrained",))]
    auc, iou, difference, late, *layers = blocks(found)
    for block in (auc, iou, difference, late):
        assert [row[0] for row in block.rows] == ["first, trained", "first, untrained", "second, untrained"]
    assert [block.title.split(":")[0] for block in layers] == ["first", "second"]
    assert auc.columns == ["model", "saliency", "attentiveness", "rollout", "random"]
    assert [cell[:4] for cell in auc.rows[0][1:]] == ["0.75", "0.55", "0.65", "0.45"]
    assert difference.rows[0][1].startswith("+0.20 [+0.1")
    assert late.rows[0][1] == "60.0 [60.0, 60.0]"  # of the objects
    assert late.rows[0][2] == "47.0 [47.0, 47.0]"
    assert [row[0] for row in layers[0].rows] == ["1 *", "2 *", "3"]
    assert all(len(row) == len(block.columns) for block in blocks(found) for row in block.rows)


def test_the_file_holds_every_number():
    content = json.loads(json.dumps(as_json([evidence()], videos=8, seed=0)))
    (model,) = content["models"]
    assert model["merging_layers"] == [1, 2]
    assert model["foreground_tokens"]["mean"] == 0.2
    assert model["videos_without_foreground"] == 0
    trained = model["weights"]["trained"]
    auc = trained["scores"]["saliency"]["auc"]
    assert [len(auc["layers"][edge]) for edge in ("mean", "low", "high")] == [3, 3, 3]
    assert auc["merging_layers"]["low"] <= auc["merging_layers"]["mean"] <= auc["merging_layers"]["high"]
    assert np.shape(trained["scores"]["rollout"]["frame_iou"]["layers"]["high"]) == (3, 2)
    gain = trained["saliency_minus"]["attentiveness"]["auc"]["layers"]["mean"][0]
    others = (trained["scores"][score]["auc"]["layers"]["mean"][0] for score in ("saliency", "attentiveness"))
    assert gain == pytest.approx(next(others) - next(others), abs=1e-4)
    assert trained["minus_untrained"]["saliency"]["iou"]["merging_layers"]["low"] > 0.1
    assert "minus_untrained" not in model["weights"]["untrained"]
