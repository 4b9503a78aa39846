import pytest

from vidtldr.merging import METHODS, Base, ToMe, VidTLDR, build_method


def test_a_method_is_built_from_what_a_config_says() -> None:
    assert build_method("base") == Base()
    assert build_method("tome", r=92, metric="tokens") == ToMe(92, metric="tokens")
    assert build_method("vidtldr", r=[600, 200, 100]) == VidTLDR((600, 200, 100))
    assert hash(build_method("vidtldr", r=[1])) == hash(VidTLDR((1,)))
    assert set(METHODS) == {"base", "tome", "vidtldr", "attentiveness", "rollout", "saliency_pruning"}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tomme", {}, "unknown method 'tomme': choose from base, tome, vidtldr, attentiveness, rollout"),
        ("vidtldr", {"rate": 3}, "method 'vidtldr' has no option 'rate': it takes r, background_drop, sharpening"),
        ("base", {"r": 3}, "method 'base' has no option 'r': it takes none"),
        ("tome", {"r": -3}, "r=-3 in every layer"),
        ("tome", {"r": 3, "metric": "values"}, "metric='values' is neither 'keys' nor 'tokens'"),
        ("vidtldr", {"background_drop": False}, "background_drop=False needs sharpening=False"),
        ("rollout", {"before": "attention"}, "before='attention' is neither 'mlp' nor 'layer'"),
        ("attentiveness", {"metric": "keys"}, "has no option 'metric': it takes r, before"),
    ],
)
def test_a_bad_name_or_option_is_answered_with_the_legal_ones(name: str, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_method(name, **options)


def test_methods_cannot_be_changed_once_made() -> None:
    with pytest.raises(AttributeError):
        build_method("tome", r=3).r = 4
