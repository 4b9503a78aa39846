"""The one exception whose message is meant for the person at the keyboard."""


class UserError(ValueError):
    """Something the user can mend, said in one sentence; the command line prints it and exits with code 2."""


def on_one_line(said: object) -> str:
    r"""The text of an error or a warning with its line breaks and runs of blanks replaced by single blanks.

    >>> on_one_line(ValueError("two\n  lines"))
    'two lines'
    """
    return " ".join(str(said).split())
