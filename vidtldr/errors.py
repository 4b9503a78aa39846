"""The one exception whose message is meant for the person at the keyboard."""


class UserError(ValueError):
    """Something the user can mend, said in one sentence; the command line prints it and exits with code 2."""
