"""Names and reasons as text that can steer nothing: no terminal, no log, no reading direction."""

import re


def plain(text: str) -> str:
    """The text on one line: other white space as a space, and as `?` everything that cannot be seen.

    That is control characters, escapes, marks that turn the reading direction, and halves of characters.
    """
    return "".join(character if character.isprintable() else "?" for character in re.sub(r"[^\S ]+", " ", text))


def inert(line: str) -> str:
    """A line of a log that a CI service takes for no command: GitHub reads `::name::` at its beginning and `##[name]` anywhere."""
    return re.sub(r"^(\s*):(?=:)", r"\1?", line).replace("##[", "#?[")
