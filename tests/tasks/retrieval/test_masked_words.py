import torch

from tests.helpers.tiny_run import IMAGE_SIZE, NUM_FRAMES, SIZE, write_vocabulary
from vidtldr.models.umt import UMT, UMTTokenizer, WordHead, umt_size
from vidtldr.tasks.retrieval.masked_words import mask_words, masked_word_loss


def test_half_of_the_words_are_hidden_and_neither_cls_nor_padding() -> None:
    ids = torch.full((400, 9), 7)
    mask = torch.ones(400, 9)
    mask[:, 6:] = 0
    masked, hidden = mask_words(ids, mask, mask_id=4)
    assert torch.equal(masked == 4, hidden)
    assert not hidden[:, 0].any()
    assert not hidden[:, 6:].any()
    assert 0.4 < hidden[:, 1:6].float().mean() < 0.6


def test_guessing_words_trains_the_video_side_too(tmp_path) -> None:
    tokenizer = UMTTokenizer(write_vocabulary(tmp_path / "vocab.txt"), max_length=8)
    size = umt_size("umt_b", SIZE)
    model, head = UMT(size, num_frames=NUM_FRAMES, image_size=IMAGE_SIZE), WordHead(32, size.vocab_size)
    clips = torch.randint(0, 256, (3, NUM_FRAMES, 3, IMAGE_SIZE, IMAGE_SIZE), dtype=torch.uint8)
    tokens, _ = model.encode_video(model.normalize(clips))
    ids, mask = tokenizer(["a red shape moves left slowly"] * 3)
    masked_word_loss(model, head, tokens, ids, mask, tokenizer.mask_id).backward()
    assert model.vision_encoder.patch_embed.proj.weight.grad.abs().sum() > 0
    assert head.bias.grad.abs().sum() > 0


def test_a_text_without_words_costs_nothing(tmp_path) -> None:
    tokenizer = UMTTokenizer(write_vocabulary(tmp_path / "vocab.txt"), max_length=8)
    size = umt_size("umt_b", SIZE)
    model, head = UMT(size, num_frames=NUM_FRAMES, image_size=IMAGE_SIZE), WordHead(32, size.vocab_size)
    ids, mask = tokenizer(["", ""])
    loss = masked_word_loss(model, head, torch.randn(2, 16, 32), ids, mask, tokenizer.mask_id)
    assert loss.item() == 0
