"""The page in a browser, for each form, with a decode function of the tests in place of a model."""

import contextlib
import dataclasses
import itertools
import json
import math
import re
import shutil
import threading
from pathlib import Path
from urllib.parse import quote

import matplotlib.image
import numpy as np
import pytest

from t2tlite.decode.attention_maps import AttentionMap
from t2tlite.decode.decode_hparams import Hypothesis
from t2tlite.problem_page import FORMS, PageTexts
from t2tlite.serving.page_texts import DEFAULTS
from tests.unit.serving.conftest import ATTENTION, SERVED, echo_letters, running, text_of

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
PHONE = {"viewport": {"width": 360, "height": 640}}
EXAMPLES = ["first one", "first two", "first three", "first four", "first five"]
WORDS = ["rose", "wine", "sea", "<i>bird</i>", "שלום", "sun", "moon", "w" * 900]
LABELS = {"good": math.log(0.7), "bad": math.log(0.2), "<b>ugly</b>": math.log(0.1)}


class Model:
    """Answers with the last word of the line and a word; waits for `go` where it is "slow"."""

    def __init__(self, form):
        self.form, self.go, self.words = form, threading.Event(), itertools.cycle(WORDS)
        self.kinds = []
        self.stream = self.letters

    def __call__(self, kind, contents, first=0):
        if kind == ATTENTION:
            return [self.attention(line, answer) for line, answer in contents]
        self.kinds.append(kind)
        lines = [text_of(content) for content in contents]
        if "slow" in lines:
            self.go.wait(20)
        return [self.answers(kind, line) for line in lines]

    def answers(self, kind, line):
        if self.form == "labels":
            return [Hypothesis(text, score, [0]) for text, score in LABELS.items()]
        last = line.split()[-1][:20]
        count = 1 if kind.samples else kind.beam_size
        texts = [f"{last} and {next(self.words)}" for _ in range(count)]
        return [Hypothesis(text, -0.5 * i, [5]) for i, text in enumerate(texts)]

    def attention(self, line, answer):
        """The letters of the answer look at the first word of the line."""
        word = line.split()[0]
        row = [1 / len(word) if i < len(word) else 0 for i in range(len(line) + 1)]
        return AttentionMap("", list(answer), [*line, "<EOS>"], [row] * len(answer))

    def letters(self, kind, content):
        """The line with "!" at its end, letter by letter; a slow one stops in between."""
        self.kinds.append(kind)
        text = text_of(content)
        yield from (one for one in echo_letters(kind, text[::-1]))
        if text == "slow":
            yield Hypothesis("slow ", 0.0, [5])
            self.go.wait(20)
        yield Hypothesis(f"{text} on", 0.0, [5])


@pytest.fixture(scope="module")
def browser():
    if not BROWSER:
        pytest.skip("no chromium here")
    with playwright.sync_playwright() as driver:
        playwright.expect.set_options(timeout=10_000)
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def addresses():
    """By form, the address of a server and its model."""
    with contextlib.ExitStack() as stack:
        found = {}
        for form in FORMS:
            model, texts = Model(form), PageTexts(examples=EXAMPLES).filled(DEFAULTS[form])
            feature = "targets" if form == "text" else "inputs"
            served = dataclasses.replace(SERVED, name=form, page=texts, feature=feature)
            server = stack.enter_context(running(model, served))
            found[form] = f"http://{server.address}/", model
        yield found


@pytest.fixture
def visit(browser, addresses):
    """Opens the page of a form; fails at errors of scripts and at requests to other hosts."""
    wrong = []
    with contextlib.ExitStack() as stack:

        def open_page(form="lines", link="", **settings):
            address, model = addresses[form]
            model.go.clear()
            model.kinds.clear()
            model.words = itertools.cycle(WORDS)
            context = stack.enter_context(browser.new_context(**settings))
            page = context.new_page()
            page.model = model
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("dialog", lambda dialog: wrong.append(dialog.message))
            page.on("request", lambda request: wrong.append(request.url) if not
                    request.url.startswith((address, "blob:")) else None)  # fmt: skip
            page.goto(address + link)
            page.wait_for_selector("#settings", state="attached")
            return page

        yield open_page
        for _, model in addresses.values():
            model.go.set()
    assert wrong == []


def poem_of(page):
    return page.locator("#poem .words").all_text_contents()


def offers(page):
    """The model's lines, when they have arrived."""
    page.wait_for_selector("main:not([aria-busy]) #offers .model button")
    return page.locator("#offers button[dir]")


def begin(page, *lines):
    for line in lines:
        page.fill("#line", line)
        page.keyboard.press("Enter")
        offers(page)


def status(page, text):
    playwright.expect(page.locator("#status")).to_have_text(text)


def is_narrow(page):
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_poem_by_keyboard(visit):
    page = visit()
    expect = playwright.expect
    expect(page).to_have_title("Line by line")
    expect(page.locator("#invitation")).to_contain_text("take turns")
    expect(page.locator("#offers-title")).to_have_text("Or begin with one of these")
    expect(page.locator("#offers li button")).to_have_count(4)
    page.locator("#line").focus()
    page.keyboard.type("a rose")
    page.keyboard.press("Enter")
    # Alike ones are shown once.
    texts = offers(page).all_text_contents()
    assert texts == [f"rose and {word}" for word in WORDS[:5]]
    status(page, "5 lines to choose from.")
    expect(page.locator("#told")).to_have_text("Added: a rose")
    expect(page.locator("#invitation")).to_be_hidden()
    offers(page).first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#poem li")).to_have_count(2)
    expect(page.locator("#poem li").nth(1)).to_contain_text("(the model’s)")
    offers(page)
    expect(page.locator("#offers button[dir]").first).to_be_focused()
    assert poem_of(page) == ["a rose", "rose and wine"]
    # A line is edited in its place; an empty one is removed.
    page.get_by_label("Edit line 1").press("Enter")
    page.keyboard.type(" is a rose")
    page.keyboard.press("Enter")
    assert poem_of(page) == ["a rose is a rose", "rose and wine"]
    expect(page.get_by_label("Edit line 1")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.get_by_label("Edit line 2").press("Enter")
    page.get_by_role("button", name="Remove").press("Enter")
    assert poem_of(page) == ["a rose is a rose"]
    # Undo brings each state back, and a reload keeps it.
    undo = page.get_by_role("button", name="Undo")
    undo.press("Enter")
    page.keyboard.press("Control+z")
    assert poem_of(page) == ["a rose", "rose and wine"]
    page.reload()
    expect(page.locator("#poem li")).to_have_count(2)
    expect(page.locator("#poem li").nth(1)).to_have_class("model")
    page.get_by_role("button", name="Start over").press("Enter")
    expect(page.locator("#poem li")).to_have_count(0)
    expect(page.locator("#line")).to_be_focused()
    undo.press("Enter")
    assert poem_of(page) == ["a rose", "rose and wine"]


def test_livelier_and_surprising(visit):
    page = visit()
    page.get_by_role("button", name="Surprise me").click()
    offers(page)
    assert poem_of(page)[0] in EXAMPLES
    lively = page.get_by_label("Livelier")
    kind = page.model.kinds[-1]
    assert (kind.sampling_method, kind.sampling_temp, kind.sampling_top_p) == ("random", 0.7, 0.92)
    assert page.locator("#offers-title").text_content() == "The model’s lines, drawn at random"
    lively.fill("0")
    playwright.expect(page.locator("#offers-title")).to_have_text(
        "The model’s lines, likeliest first"
    )
    kind = page.model.kinds[-1]
    assert (kind.sampling_method, kind.beam_size) == ("argmax", 5)
    assert lively.get_attribute("aria-valuetext") == "The likeliest."
    page.get_by_role("button", name="Surprise me").click()
    playwright.expect(page.locator("#poem li")).to_have_count(2)
    assert {one.sampling_temp for one in page.model.kinds} >= {0.7, 1.2}


def test_a_link_holds_the_poem(visit):
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    begin(page, "a rose & a = sign", "#2 שלום")
    offers(page).first.click()
    playwright.expect(page.locator("#poem li")).to_have_count(3)
    page.get_by_role("button", name="Share link").click()
    status(page, "Link copied.")
    link = page.evaluate("navigator.clipboard.readText()")
    page.get_by_role("button", name="Copy").click()
    status(page, "Text copied.")
    assert page.evaluate("navigator.clipboard.readText()") == "\n".join(poem_of(page))
    other = visit()
    begin(other, "my own")
    other.goto(link)
    status(other, "These lines came with the link. Undo brings back your own.")
    assert poem_of(other) == poem_of(page)
    assert other.locator("#poem li.model").count() == 1
    assert "#" not in other.url
    other.get_by_role("button", name="Undo").click()
    assert poem_of(other) == ["my own"]


def test_links_and_kept_lines_may_be_anything(visit):
    lines = ["<img src=x onerror=alert(1)>", "\u202eevil", "", *["x"] * 498, "y" * 900, "z"]
    page = visit(link="#by=m<&text=" + quote("\n".join(lines)), **PHONE)
    texts = poem_of(page)
    assert texts[:3] == ["<img src=x onerror=alert(1)>", "evil", "x"]
    assert len(texts) == 500
    assert is_narrow(page)
    for odd in ("#", "#text=%E0%A4%A", "#text=%00", "#text=" + "y" * 20_000):
        page.goto(page.url + odd)
    for kept in ("{", "[]", "5", '{"poem": [null]}', '{"poem": [{"text": 1}], "offered": 3}'):
        page.evaluate("kept => localStorage.setItem('t2t-server lines lines', kept)", kept)
        page.reload()
        playwright.expect(page.locator("#offers li button")).to_have_count(4)
        assert poem_of(page) == []


def test_a_poem_is_saved(visit):
    page = visit()
    begin(page, "a rose", "w" * 900, "שלום")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as text").click()
    assert download.value.suggested_filename == "lines.txt"
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert text == "\n".join(poem_of(page)) + "\n"
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as picture").click()
    assert download.value.suggested_filename == "lines.png"
    pixels = np.rint(255 * matplotlib.image.imread(download.value.path(), "png")[:, :, :3])
    assert pixels.shape[1] == 2000 and len(pixels) > 2000
    paper, ink = [253, 250, 243], [38, 34, 28]
    assert pixels[0, 0].tolist() == paper
    # Below the title and above the last line, each in its row.
    inked = (pixels == ink).all(axis=2).any(axis=1)
    assert np.count_nonzero(np.diff(inked.astype(int)) == 1) > 10


def test_attention_in_words(visit):
    page = visit(**PHONE)
    expect = playwright.expect
    begin(page, "two words", "w" * 900)
    offers(page).first.click()
    expect(page.locator("#poem li")).to_have_count(3)
    page.locator("#poem li").nth(1).locator(".word").hover()
    marked = page.locator("#poem .marked")
    expect(marked).to_have_text(["two", "words"])
    weights = marked.evaluate_all("all => all.map(one => one.style.getPropertyValue('--weight'))")
    assert weights == ["1", "0"]
    page.locator("#attention summary").click()
    page.get_by_label("Line", exact=True).select_option(index=0)
    expect(page.locator("thead th")).to_have_text(["two", "words", "(none)"])
    expect(page.locator("tbody td")).to_have_text(["100", "0", "0"])
    corner = page.locator("thead td").evaluate("cell => getComputedStyle(cell).backgroundColor")
    assert corner == "rgba(0, 0, 0, 0)"
    page.get_by_label("Line", exact=True).select_option(index=1)
    expect(page.locator("tbody th")).to_have_count(3)
    assert is_narrow(page)


def test_tokens_become_words(visit):
    page = visit()
    for tokens, text, words in [
        (["▁the", "▁sea", "-", "side", "<EOS>"], "The sea-side", [0, 1, 1, 1, -1]),
        (["the_", "sea", "side_", "<EOS>"], "the seaside", [0, 1, 1, -1]),
        (["▁", "<0xC3>", "<0xA9>", "t", "▁", "x", "<EOS>"], "ét x", [-1, 0, 0, 0, -1, 1, -1]),
        (["▁to", "▁German", ":", "▁a", "▁b"], "a b", [-1, -1, -1, 0, 1]),
        (["a", "UNK", "c"], "a b c", [0, 1, 2]),
        (["<UNK>", "and", "<UNK>", "<EOS>"], "foo and bar", [0, 1, 2, -1]),
        (["<start>", "<", "i", ">", "<EOS>"], "<i>", [-1, 0, 0, 0, -1]),
        ([], "a", []),
    ]:
        found = page.evaluate(
            "([tokens, text]) => import('/words.js').then(one => one.wordOfEach(tokens, text))",
            [tokens, text],
        )
        assert found == words, text


def test_waiting_can_be_cancelled(visit):
    page = visit()
    expect = playwright.expect
    page.fill("#line", "slow")
    page.keyboard.press("Enter")
    status(page, "The model is writing…")
    page.get_by_role("button", name="Cancel").click()
    status(page, "Cancelled.")
    # The line stays, and the next request doesn't wait for the other's answer to be shown.
    assert poem_of(page) == ["slow"]
    page.model.go.set()
    page.get_by_role("button", name="Continue").click()
    assert offers(page).count() == 5
    page.model.go.clear()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.keyboard.press("Escape")
    status(page, "Cancelled.")


def test_errors_can_be_tried_again(visit):
    page = visit()
    problem = page.locator("#problem")
    asked = "**/v1/models/lines:predict"
    page.route(asked, lambda route: route.abort())
    page.fill("#line", "a rose")
    page.keyboard.press("Enter")
    playwright.expect(problem).to_contain_text("Can't reach the server. Is it running?")
    page.unroute(asked)
    busy = {"status": 503, "json": {"error": "too many lines are waiting"}}
    page.route(asked, lambda route: route.fulfill(**busy))
    page.get_by_role("button", name="Try again").click()
    playwright.expect(problem).to_contain_text("Too many lines are waiting.")
    page.unroute(asked)
    page.get_by_role("button", name="Try again").click()
    assert offers(page).count() == 5
    playwright.expect(problem).to_be_empty()
    page.fill("#line", "x" * 1001)
    page.keyboard.press("Enter")
    status(page, "A line has at most 1000 letters; this one has 1001.")
    assert len(page.input_value("#line")) == 1001


def test_answers_beside_their_lines(visit):
    page = visit("answer")
    expect = playwright.expect
    page.fill("#line", "one two")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("three")
    page.keyboard.press("Enter")
    expect(page.locator("#answers-title")).to_have_text("Answers, likeliest first")
    assert page.locator(".source").all_text_contents() == ["one two", "three"]
    assert page.locator(".best").all_text_contents() == ["two and rose", "three and שלום"]
    assert page.model.kinds[-1].beam_size == 4
    page.locator(".best").first.locator(".word").first.hover()
    expect(page.locator(".source").first.locator(".marked")).to_have_count(2)
    page.get_by_text("3 other answers").first.click()
    expect(page.get_by_text("two and <i>bird</i>")).to_be_visible()
    page.get_by_label("Livelier").fill("3")
    expect(page.locator("#answers-title")).to_have_text("Answers, drawn at random")
    page.reload()
    expect(page.locator(".best")).to_have_count(2)


def test_probabilities_of_labels(visit):
    page = visit("labels")
    page.get_by_role("button", name="first one").or_(
        page.locator("#offers li button")
    ).first.click()
    playwright.expect(page.locator(".bars > li")).to_have_count(3)
    assert page.locator(".label").all_text_contents() == list(LABELS)
    assert page.locator(".share").all_text_contents() == ["70 %", "20 %", "10 %"]
    bar = page.locator(".bar").first
    share = bar.evaluate("bar => parseFloat(getComputedStyle(bar, '::before').width)")
    assert share == pytest.approx(0.7 * bar.bounding_box()["width"], abs=1)
    playwright.expect(page.locator("#settings")).to_be_hidden()


def test_a_text_grows(visit):
    page = visit("text")
    expect = playwright.expect
    page.fill("#line", "it  goes")
    page.get_by_role("button", name="Write on").click()
    expect(page.locator("#line")).to_have_value("it  goes on")
    expect(page.locator("#told")).to_have_text("Added:  on")
    kind = page.model.kinds[-1]
    assert (kind.sampling_temp, kind.extra_length) == (0.7, 120)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#line")).to_have_value("it  goes")
    # What was written until then stays.
    page.fill("#line", "slow")
    page.get_by_role("button", name="Write on").click()
    expect(page.locator("#line")).to_have_value("slow ")
    page.get_by_role("button", name="Cancel").click()
    status(page, "Cancelled.")
    page.reload()
    expect(page.locator("#line")).to_have_value("slow ")
    page.model.go.set()
    # Of a long text the model reads the end.
    text = "word " * 400
    page.fill("#line", text)
    page.get_by_role("button", name="Write on").click()
    expect(page.locator("#line")).to_have_value(f"{text} on")


@pytest.mark.parametrize("form", FORMS)
def test_axe_finds_nothing(visit, form):
    page = visit(form, bypass_csp=True, reduced_motion="reduce")
    assert axe.Axe().run(page).violations_count == 0
    page.fill("#line", "two words")
    page.locator(".primary").click()
    page.wait_for_selector("main:not([aria-busy])")
    if form == "lines":
        offers(page).first.click()
        offers(page)
    if form in ("lines", "answer"):
        page.locator("#attention summary").click()
        page.wait_for_selector("tbody td")
        page.locator("#poem .model .word, .best .word").first.dispatch_event("click")
        page.wait_for_selector(".marked")
    for scheme, width in (("light", 1200), ("dark", 1200), ("light", 360)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        found = axe.Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert is_narrow(page)


def test_the_description_of_the_interface_is_accessible(visit):
    page = visit(bypass_csp=True)
    page.goto(page.url + "docs")
    assert axe.Axe().run(page).violations_count == 0
    assert is_narrow(page)


def test_the_server_is_gone(visit):
    page = visit()
    page.route("**/page.json", lambda route: route.abort())
    page.reload()
    playwright.expect(page.locator("#problem")).to_contain_text("Can't reach the server.")
    page.unroute("**/page.json")
    page.get_by_role("button", name="Try again").click()
    playwright.expect(page.locator("#offers li button")).to_have_count(4)


def test_facts(addresses, echoing):
    status, headers, facts = echoing.ask("GET", "/page.json")
    assert (status, facts["name"], facts["max_line_length"]) == (200, "echo", 20)
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert json.dumps(facts["temperature"]) == "0.0"


def test_the_files_are_short_and_set_texts_as_text():
    folder = Path(__file__).parents[3] / "t2tlite/serving/page"
    for file in folder.iterdir():
        text = file.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 400, file
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), file
