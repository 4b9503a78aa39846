import pytest

from vidtldr.cli.evaluate import EvalCLI
from vidtldr.errors import UserError


@pytest.mark.parametrize("given", ["-1", "many", "1.5"])
def test_what_is_no_count_is_said_to_be_none(given: str) -> None:
    with pytest.raises(UserError, match=rf"^pictures must be a whole number, 0 or more, not {given}$"):
        EvalCLI(["--config", "demo", "--pictures", given])
