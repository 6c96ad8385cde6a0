"""The page in a browser: typing a line, choosing answers by keyboard, the attention map."""

import shutil

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture
def page(model_server):
    if not BROWSER:
        pytest.skip("no chromium here")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page()
        # The first answer with a new beam size waits for tracing.
        page.set_default_timeout(60_000)
        playwright.expect.set_options(timeout=60_000)
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"http://{model_server.address}/")
        yield page
        browser.close()
        assert errors == []


def test_a_poem_by_keyboard(page):
    expect = playwright.expect
    expect(page.locator("#model")).to_have_text("reverse_digits, version 250")
    # The field has the focus from the start.
    page.keyboard.type("3 1 4")
    page.keyboard.press("Enter")
    answers = page.locator("#answers button")
    expect(answers).to_have_count(4)
    expect(answers.first).to_contain_text("4 1 3")
    score = float(answers.first.locator(".score").text_content())
    assert score > float(answers.nth(1).locator(".score").text_content())
    expect(page.locator("#written li")).to_have_text(["3 1 4"])
    # The attention map: a row per token of the answer, a column per token of the line.
    expect(page.locator("#attention tbody tr")).to_have_count(4)
    expect(page.locator("#attention thead th")).to_have_count(4)
    expect(page.locator("#attention tbody tr").first.locator("th")).to_contain_text("4")
    # The second answer becomes the next line.
    expect(answers.first).to_be_focused()
    second = answers.nth(1).locator("span").first.text_content()
    page.keyboard.press("ArrowDown")
    expect(answers.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#written li")).to_have_text(["3 1 4", second])
    page.locator("#back").press("Enter")
    expect(page.locator("#written li")).to_have_text(["3 1 4"])
    expect(page.locator("#line")).to_have_value(second)
    page.locator("#anew").press("Enter")
    expect(page.locator("#written li")).to_have_count(0)
    expect(page.locator("#line")).to_be_focused()


def test_errors_are_shown(page):
    expect = playwright.expect
    page.route("**/v1/models/*:predict", lambda route: route.abort())
    page.fill("#line", "1 2")
    page.keyboard.press("Enter")
    expect(page.locator("#problem")).to_have_text("Can't reach the server. Is it running?")
    page.unroute("**/v1/models/*:predict")
    page.route(
        "**/v1/models/*:predict",
        lambda route: route.fulfill(status=503, json={"error": "too many lines are waiting"}),
    )
    page.keyboard.press("Enter")
    expect(page.locator("#problem")).to_have_text("too many lines are waiting")
    # A token that the vocabulary lacks is an error.
    page.unroute("**/v1/models/*:predict")
    page.fill("#line", "one")
    page.keyboard.press("Enter")
    expect(page.locator("#problem")).to_contain_text("'one'")
    # Markup in lines and answers stays text.
    found = {"predictions": [{"outputs": ["<i>2</i>"], "scores": [-1.5]}]}
    page.route("**/v1/models/*:predict", lambda route: route.fulfill(json=found))
    page.fill("#line", "<b>1</b>")
    page.keyboard.press("Enter")
    expect(page.locator("#written li")).to_have_text(["<b>1</b>"])
    expect(page.locator("#answers button")).to_have_text(["<i>2</i> -1.500"])
