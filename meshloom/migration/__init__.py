"""Moving in where the original operator was: what it left, what becomes of it, and what is to be done about it.

Law: pure but for `reading` and `acting`; nothing is changed that is not said before, and nothing that is not listed.
"""
