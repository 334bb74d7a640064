"""Faults of the user's side: what is wrong and what to do, in one line.

Law: only these reach a person without the words "this is a fault of meshloom".
"""


class UserError(Exception):
    """Something that whoever started the program can mend; its text says how."""
