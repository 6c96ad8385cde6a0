"""Two problems with exact rules, for `modern.py`: brackets to close, and words to inflect."""

import random

from t2tlite import problem, registry, text_problems

CLOSING = {"(": ")", "[": "]", "{": "}"}


class Rules(text_problems.Text2TextProblem):
    """20,000 examples for training and 800 for evaluation, in characters."""

    @property
    def vocab_type(self):
        return text_problems.VocabType.CHARACTER

    @property
    def is_generate_per_split(self):
        return True

    @property
    def dataset_splits(self):
        train, dev = problem.DatasetSplit.TRAIN, problem.DatasetSplit.EVAL
        return [{"split": train, "shards": 4}, {"split": dev, "shards": 1}]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        count = 20000 if dataset_split == problem.DatasetSplit.TRAIN else 800
        draw = random.Random(f"{self.name} {dataset_split}")
        for _ in range(count):
            inputs, targets = self.sample(draw)
            yield {"inputs": inputs, "targets": targets}


@registry.register_problem
class DyckClose(Rules):
    """Brackets of three kinds -> those that close what is open."""

    def sample(self, draw):
        text, opened = draw.choice("([{"), []
        opened.append(text)
        for _ in range(draw.randint(3, 23)):
            if len(opened) > 1 and draw.random() < 0.45:
                text += CLOSING[opened.pop()]
            else:
                opened.append(draw.choice("([{"))
                text += opened[-1]
        return text, "".join(CLOSING[bracket] for bracket in reversed(opened))


@registry.register_problem
class Inflect(Rules):
    """A stem and tags -> its form: umlaut, plural, doubled consonants, vowel harmony."""

    def sample(self, draw):
        is_back = draw.random() < 0.5
        vowels = "aou" if is_back else "eiä"
        syllables = draw.randint(1, 4)
        stem = "".join(draw.choice("bdgklmnprstvz") + draw.choice(vowels) for _ in range(syllables))
        stem += draw.choice(["", "t", "n", "y", "rk"])
        number, case = draw.choice(["SG", "PL"]), draw.choice(["NOM", "GEN", "LOC"])
        tense = draw.choice(["", ";PST"])
        form = stem.replace("a", "ä").replace("o", "ö") if tense else stem
        if number == "PL":
            form = f"{form[:-1]}ies" if form.endswith("y") else form + ("lar" if is_back else "ler")
        if case == "GEN":
            form += (form[-1] if form[-1] in "tn" else "") + ("ın" if is_back else "in")
        if case == "LOC":
            form += ("t" if form[-1] in "tsk" else "d") + ("a" if is_back else "e")
        return f"{stem} {number};{case}{tense}", form
