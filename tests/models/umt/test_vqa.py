"""Question answering against the official answers and scores, and how checkpoints are accounted for."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.helpers.reference import UMT_TINY_SIZE, load, tensor, weights
from vidtldr.errors import UserError
from vidtldr.merging import Base, Method, VidTLDR, merging
from vidtldr.models.umt import UMT, UMT_SIZES, UMTVQA, load_umt, load_umt_vqa

_TINY = load("umt_tiny_vqa")
_HEAD = "text_decoder.cls.predictions"
_WORDS = "embeddings.word_embeddings.weight"


def _model() -> UMTVQA:
    torch.manual_seed(0)
    return UMTVQA(UMT_TINY_SIZE, num_frames=4, image_size=64).eval()


def _loaded(path: Path, content: object, **options: bool) -> tuple[UMTVQA, list[str]]:
    torch.save(content, path)
    model = _model()
    return model, load_umt_vqa(model, path, **options)


def _pretrained() -> dict[str, Tensor]:
    """A file of pre-training: retrieval's parts, ``bert.`` in the names, a head that guesses words, no decoder."""
    retrieval = weights(load("umt_tiny_retrieval"))
    names = {key: key.replace("text_encoder.", "text_encoder.bert.") for key in retrieval}
    head = {key.replace("text_decoder", "text_encoder"): value for key, value in _official().items() if _HEAD in key}
    head["text_encoder.cls.predictions.decoder.weight"] = retrieval[f"text_encoder.{_WORDS}"]  # tied
    return {names[key]: value for key, value in retrieval.items()} | head


def _official() -> dict[str, Tensor]:
    return dict(weights(_TINY))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> UMTVQA:
    model, unused = _loaded(tmp_path_factory.mktemp("vqa") / "vqa.pth", {"model": _official(), "epoch": 1})
    assert unused == []
    return model


@pytest.fixture(scope="module")
def states(model: UMTVQA) -> Tensor:
    """States of the four questions."""
    with torch.no_grad():
        return _states(model)


def _states(model: UMTVQA) -> Tensor:
    tokens = model.encode_video(tensor(_TINY, "videos"))
    return model.encode_questions(tensor(_TINY, "question_ids"), tensor(_TINY, "question_mask"), tokens)


def _answers(*rows: int) -> tuple[Tensor, Tensor]:
    ids, mask = tensor(_TINY, "answer_ids"), tensor(_TINY, "answer_mask")
    return (ids[list(rows)], mask[list(rows)]) if rows else (ids, mask)


@pytest.mark.parametrize(("case", "method"), [("base", Base()), ("tldr", VidTLDR([20, 10, 5, 0]))])
def test_states_scores_and_answers_equal_the_official_ones(model: UMTVQA, case: str, method: Method) -> None:
    question_mask = tensor(_TINY, "question_mask")
    with torch.no_grad(), merging(model.vision_encoder, method):
        tokens = model.encode_video(tensor(_TINY, "videos"))
        states = _states(model)
        ranked = model.text_decoder.rank(states, question_mask, *_answers(), k=int(_TINY["k_test"]))
    torch.testing.assert_close(tokens, tensor(_TINY, f"{case}/vision_embeds"), atol=1e-4, rtol=0)
    real = question_mask.bool()
    torch.testing.assert_close(states[real], tensor(_TINY, f"{case}/question_states")[real], atol=1e-4, rtol=0)
    assert torch.equal(ranked.index, tensor(_TINY, f"{case}/topk_ids"))
    torch.testing.assert_close(ranked.log_score.softmax(dim=1), tensor(_TINY, f"{case}/topk_probs"), atol=2e-5, rtol=0)
    assert torch.equal(ranked.index[:, 0], tensor(_TINY, f"{case}/predicted_answer"))
    candidates = tensor(_TINY, f"{case}/first_stage_ids")
    official = torch.zeros(4, 10).scatter(1, candidates, tensor(_TINY, f"{case}/log_prob_sum"))
    torch.testing.assert_close(ranked.log_score, official.gather(1, ranked.index), atol=2e-4, rtol=0)


def test_losses_of_whole_answers_equal_the_official_ones(model: UMTVQA, states: Tensor) -> None:
    candidates = tensor(_TINY, "base/first_stage_ids")
    ids, mask = _answers(*candidates.flatten().tolist())
    with torch.no_grad():
        losses = model.text_decoder.answer_losses(states, tensor(_TINY, "question_mask"), ids, mask)
    torch.testing.assert_close(losses.view(4, 4), tensor(_TINY, "base/answer_nll"), atol=1e-4, rtol=0)


def test_an_answer_does_not_depend_on_the_other_questions(model: UMTVQA, states: Tensor) -> None:
    mask = tensor(_TINY, "question_mask")
    with torch.no_grad():
        many = model.text_decoder.rank(states.repeat(5, 1, 1), mask.repeat(5, 1), *_answers(), k=4)  # in three passes
        alone = [model.text_decoder.rank(states[i : i + 1], mask[i : i + 1], *_answers(), k=4) for i in range(4)]
    for number in range(20):
        assert torch.equal(many.index[number], alone[number % 4].index[0])
        torch.testing.assert_close(many.log_score[number], alone[number % 4].log_score[0], atol=1e-5, rtol=0)


def test_answers_that_begin_alike_tie_and_keep_the_order_of_the_list(model: UMTVQA, states: Tensor) -> None:
    # 1 and 9 begin with the same word piece.
    mask = tensor(_TINY, "question_mask")
    with torch.no_grad():
        for first, second in ((1, 9), (9, 1)):
            ranked = model.text_decoder.rank(states[:1], mask[:1], *_answers(first, second), k=1)
            assert ranked.index.tolist() == [[0]]


def test_more_candidates_than_answers_rank_all_of_them(model: UMTVQA, states: Tensor) -> None:
    with torch.no_grad():
        ranked = model.text_decoder.rank(states, tensor(_TINY, "question_mask"), *_answers(), k=128)
    assert ranked.index.sort(dim=1).values.tolist() == [list(range(10))] * 4


def test_questions_about_one_video_need_its_tokens_once(model: UMTVQA) -> None:
    ids, mask = tensor(_TINY, "question_ids"), tensor(_TINY, "question_mask")
    with torch.no_grad():
        tokens = model.encode_video(tensor(_TINY, "videos")[:2])
        together = model.encode_questions(ids, mask, tokens)
        copied = model.encode_questions(ids, mask, tokens[[0, 0, 1, 1]])
    torch.testing.assert_close(together, copied, atol=1e-5, rtol=0)


def test_the_loss_reaches_every_parameter() -> None:
    trained = _model().train()
    loss = trained.text_decoder.answer_losses(_states(trained), tensor(_TINY, "question_mask"), *_answers(0, 2, 4, 7))
    loss.sum().backward()
    idle = [name for name, p in trained.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_a_decoder_is_made_of_the_fusion_layers_of_a_pretraining_file(tmp_path: Path) -> None:
    official = _pretrained() | {"clip_teacher.proj": torch.zeros(2)}
    model, unused = _loaded(tmp_path / "pretrained.pth", official, new_decoder=True)
    state = model.state_dict()
    for ours, theirs in (
        (f"text_decoder.bert.{_WORDS}", f"text_encoder.bert.{_WORDS}"),
        ("text_decoder.bert.encoder.layer.1.crossattention.self.key.weight",) * 2,
        ("text_decoder.head.bias", "text_encoder.cls.predictions.bias"),
        ("text_encoder.encoder.layer.3.output.dense.bias", "text_encoder.bert.encoder.layer.3.output.dense.bias"),
    ):
        theirs = theirs.replace("text_decoder.bert.encoder.layer.1", "text_encoder.bert.encoder.layer.3")
        assert torch.equal(state[ours], official[theirs]), ours
    parts = ["temp", "clip_teacher.proj"]
    parts += [f"{layer}.{kind}" for layer in ("vision_proj", "text_proj", "itm_head") for kind in ("weight", "bias")]
    parts += [f"vision_encoder.fc_norm.{kind}" for kind in ("weight", "bias")]
    assert sorted(unused) == sorted(parts)


def test_a_head_that_the_file_lacks_is_warned_about(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    retrieval = UMT(UMT_TINY_SIZE, num_frames=4, image_size=64)
    torch.save(weights(load("umt_tiny_retrieval")), tmp_path / "umt.pth")
    load_umt(retrieval, tmp_path / "umt.pth")
    save_file(retrieval.state_dict(), tmp_path / "umt.safetensors")  # as this project exports it
    model = _model()
    fresh = model.text_decoder.head.transform[0].weight.clone()
    load_umt_vqa(model, tmp_path / "umt.safetensors", new_decoder=True)
    assert "has no head that guesses words" in caplog.text
    assert torch.equal(model.text_decoder.head.transform[0].weight, fresh)


def test_a_decoder_that_is_made_new_replaces_that_of_the_file(tmp_path: Path) -> None:
    official = _official()
    model, unused = _loaded(tmp_path / "vqa.pth", official, new_decoder=True)
    assert [key for key in official if key.startswith("text_decoder.")] == unused
    expected = official["text_encoder.encoder.layer.2.output.dense.weight"]
    assert torch.equal(model.text_decoder.state_dict()["bert.encoder.layer.0.output.dense.weight"], expected)


def test_a_file_without_a_decoder_is_refused_unless_one_shall_be_made(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no answer decoder: .* --model.new_decoder true"):
        _loaded(tmp_path / "pretrained.pth", _pretrained())


def test_an_exported_file_loads_again(model: UMTVQA, tmp_path: Path) -> None:
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, tmp_path / "vqa.safetensors")
    again = _model()
    assert load_umt_vqa(again, tmp_path / "vqa.safetensors") == []
    for key, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key


def test_every_entry_is_accounted_for(tmp_path: Path) -> None:
    untied, lacking, added = _official(), _official(), _official()
    untied[f"{_HEAD}.decoder.weight"] = untied[f"{_HEAD}.decoder.weight"] + 1
    del lacking["text_decoder.bert.encoder.layer.1.crossattention.self.key.bias"]
    added["text_decoder.bert.pooler.dense.bias"] = torch.zeros(64)
    for state, message in (
        (untied, r"decoder.weight other than its text_decoder.bert.embeddings.word_embeddings.weight"),
        (lacking, r"1 missing \(text_decoder.bert.encoder.layer.1.crossattention.self.key.bias\)"),
        (added, r"1 unexpected \(text_decoder.bert.pooler.dense.bias\)"),
    ):
        with pytest.raises(UserError, match=message):
            _loaded(tmp_path / "bad.pth", state)


def test_the_published_base_size_has_the_published_entries() -> None:
    with torch.device("meta"):
        model = UMTVQA(UMT_SIZES["umt_b"])
    # Ours joins q_bias and v_bias of each block into one entry and stores the two tied entries once.
    assert len(model.state_dict()) == 479 - UMT_SIZES["umt_b"].depth - 2
