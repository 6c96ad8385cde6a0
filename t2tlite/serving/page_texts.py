"""The texts of the web page: from a file, from the model folder, or the page's own."""

from __future__ import annotations

import dataclasses
import logging
import os

from t2tlite.data.manifest import from_json
from t2tlite.decode.model_folder import ModelFolder
from t2tlite.errors import ServingError
from t2tlite.files import read_json
from t2tlite.problem_page import ANSWER, LABELS, LINES, TEXT, PageTexts, page_texts

log = logging.getLogger(__name__)

# By form.
DEFAULTS = {
    LINES: PageTexts(
        form=LINES,
        title="Line by line",
        invitation="The model and you take turns, a line at a time. The first one is yours.",
        label="Your line",
        placeholder="Write a line of your own",
        action="Continue",
    ),
    ANSWER: PageTexts(
        form=ANSWER,
        title="Ask the model",
        invitation="Write a line, or several. The model answers each of them.",
        label="Your text",
        placeholder="A line of text",
        action="Answer",
    ),
    TEXT: PageTexts(
        form=TEXT,
        title="A text that grows",
        invitation="Begin a text, and the model goes on with it. Change what you like in between.",
        label="The text",
        placeholder="Once upon a time",
        action="Write on",
    ),
    LABELS: PageTexts(
        form=LABELS,
        title="Which label fits?",
        invitation="Write a text, and see how probable each label is.",
        label="Your text",
        placeholder="A text",
        action="Classify",
    ),
}


def read(path: str | os.PathLike[str]) -> PageTexts:
    """Returns the texts in a JSON file; none if `path` is empty.

    Raises:
      ServingError: the file can't be read, or isn't an object of such texts.
    """
    if not os.fspath(path):
        return PageTexts()
    try:
        texts: PageTexts = from_json(PageTexts, read_json(path), str(path))
        return texts.check()
    except (OSError, TypeError, ValueError) as error:
        raise ServingError(
            f"--page_texts={path} can't be used ({error}); expected a JSON object with some of "
            f"{', '.join(vars(PageTexts()))}"
        ) from None


def texts_of(folder: ModelFolder, given: PageTexts) -> PageTexts:
    """Returns all texts of the page of a model; `given` ones come first."""
    description = folder.run.description
    recorded = description.page if description else page_texts(folder.problem)
    texts = given.filled(recorded)
    if not folder.problem.has_inputs:
        forms = [TEXT]
    elif folder.classifies:
        forms = [LABELS]
    else:
        # A number is an answer, too.
        forms = [ANSWER, LINES] if folder.generates else [ANSWER]
    if texts.form not in forms:
        if texts.form:
            log.warning(
                "page_form=%s doesn't suit this model; the page has %s", texts.form, forms[0]
            )
        texts = dataclasses.replace(texts, form=forms[0])
    return texts.filled(DEFAULTS[texts.form])
