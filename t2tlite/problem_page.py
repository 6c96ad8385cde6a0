"""What the web page of t2t-server says of a problem, and how it shows the answers."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

# How the page shows answers, in `page_form`.
LINES, ANSWER, TEXT, LABELS = FORMS = ("lines", "answer", "text", "labels")


@dataclass(frozen=True)
class PageTexts:
    """The attributes `page_...` of a problem, as run.json records them and a JSON file gives them.

    The web page has a text of its own for what is empty. See `ProblemPage`.
    """

    form: str = ""
    title: str = ""
    invitation: str = ""
    label: str = ""
    placeholder: str = ""
    action: str = ""
    examples: list[str] = field(default_factory=list)

    def check(self) -> PageTexts:
        """Returns these texts.

        Raises:
          ValueError: there is no such form; the message is one line.
        """
        if self.form not in ("", *FORMS):
            raise ValueError(f"page_form is {self.form[:40]!a}; expected one of {', '.join(FORMS)}")
        return self

    def filled(self, others: PageTexts) -> PageTexts:
        """Returns these texts with those of `others` for what is empty."""
        names = [one.name for one in fields(self)]
        return PageTexts(**{name: getattr(self, name) or getattr(others, name) for name in names})


class ProblemPage:
    """The part of a problem that is about the web page of t2t-server; base class of `Problem`.

    A subclass overrides what it wants to be said otherwise. All of it is recorded in run.json when
    a training starts.

    Attributes:
      page_form: how answers are shown: "lines", an answer is the next line of what the visitor
        writes, such as a poem; "answer", it stands beside the line; "text", it continues the text;
        "labels", the probabilities of all labels. "": a language model has "text", a classifier
        "labels"; of the others those have "lines" in whose data targets are inputs, too.
      page_title: the heading.
      page_invitation: what the page is for, in a sentence or two.
      page_label: the name of the field.
      page_placeholder: what the empty field shows.
      page_action: the text of the button.
      page_examples: lines to begin with; None: some inputs of the training data; []: none.
    """

    page_form = ""
    page_title = ""
    page_invitation = ""
    page_label = ""
    page_placeholder = ""
    page_action = ""
    page_examples: list[str] | None = None


def page_texts(problem: Any) -> PageTexts:
    """Returns what a problem says itself, without examples of its data.

    Raises:
      ValueError: there is no such form.
      TypeError: a text isn't a string; the message is one line.
    """
    texts = {one.name: getattr(problem, f"page_{one.name}") for one in fields(PageTexts)}
    examples = texts.pop("examples")
    for name, text in texts.items():
        if not isinstance(text, str):
            raise TypeError(f"page_{name} is {type(text).__name__}; expected str")
    return PageTexts(**texts, examples=[str(one) for one in examples or []]).check()
