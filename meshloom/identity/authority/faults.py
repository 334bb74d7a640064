"""What keeps an authority from working, said so that whoever runs meshloom can mend it.

Law: a fault names what is wrong and the remedy, and holds nothing of a key or of what could not be read.
"""

from meshloom import errors


class AuthorityError(errors.UserError):
    """An authority that cannot be used, or cannot be changed."""

    def __init__(self, fault: str, remedy: str) -> None:
        super().__init__(f"{fault}; {remedy}")
        self.fault, self.remedy = fault, remedy
