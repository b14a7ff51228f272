"""The page in a Chromium without a network: mouse, keyboard, phone, dark mode and print."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import pytest

from bench.report.html import write_page
from bench.report.model.verdict import judged
from tests.report.report_records import (
    make_grid,
    make_job,
    make_plan,
    make_record,
    predictions_of,
    source_of,
)

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if CHROMIUM is None or DRIVER is None:
    pytest.skip(
        "needs chromium and chromedriver (Debian: chromium-driver)", allow_module_level=True
    )
webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")

from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

NASTY = "<script>window.broken=1</script><img src=x onerror=window.broken=1>"
ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1280,900"),
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Two seeds of three methods on two data sets; a method and a class have nasty names.

    One method has no run.
    """
    jobs = make_grid(("hiv", "chembl_ki"), methods=("vanilla", "cb", "sdr"), seeds=(0, 1))
    jobs = [{**job, "title": NASTY} if job["method"] == "cb" else job for job in jobs]
    jobs.append(make_job("hiv", method="ib"))
    records = [make_record(job) for job in jobs if job["method"] != "ib"]
    for record in records:
        if record["job"]["dataset"]["name"] == "hiv":
            record["data"]["class_names"] = [NASTY, "active"]
        if record["job"]["method"]["name"] == "sdr":
            for report in record["history"]:
                report["method"] = {"omega": [1.5, 0.5]}
    path = tmp_path_factory.mktemp("page") / "report.html"
    source, predictions = source_of(make_plan(jobs), records, {}), predictions_of(records)
    source = replace(source, table=judged(source.table, predictions))
    write_page(path, source, predictions)
    return path.as_uri()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def opened(chromium, page):
    """The page once its script has run."""
    chromium.get(page)
    wait(chromium, lambda: chromium.find_elements(By.CSS_SELECTOR, "[role=tablist]:not([hidden])"))
    return chromium


def wait(driver, condition):
    WebDriverWait(driver, 15).until(lambda _: condition())


def lines(driver):
    found = driver.find_elements(By.CSS_SELECTOR, ".results tbody tr:not([hidden]) th")
    return [heading.text for heading in found if heading.is_displayed()]


def button(driver, *words):
    """The first figure of the line whose label holds all `words`."""
    buttons = driver.find_elements(By.CSS_SELECTOR, ".results td button")
    return next(b for b in buttons if all(w in b.get_attribute("aria-label") for w in words))


def details(driver):
    return driver.find_element(By.ID, "details")


def open_details(driver, *words):
    driver.execute_script("arguments[0].click()", button(driver, *words))
    wait(driver, lambda: details(driver).get_attribute("open"))


def plots(driver, count):
    wait(driver, lambda: len(driver.find_elements(By.CSS_SELECTOR, ".plot .main-svg")) >= count)


def show_picture(driver, name):
    """Open it, and wait until it is decoded."""
    found = driver.find_element(By.CSS_SELECTOR, f"[data-picture='picture-{name}']")
    assert found.find_elements(By.TAG_NAME, "img") == []
    driver.execute_script("arguments[0].open = true", found)
    width = "const i = arguments[0].querySelector('img'); return i ? i.naturalWidth : 0"
    wait(driver, lambda: driver.execute_script(width, found))


@pytest.mark.fault(53)
def test_the_page_asks_for_nothing_and_logs_no_error(opened, page):
    opened.get_log("browser")
    open_details(opened, "sdr", "hiv")
    plots(opened, 2)
    assert " --csv missed.csv --missed --out " in details(opened).text
    for kind in ("groups_random_hiv", "cost_random"):
        show_picture(opened, kind)
    messages = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = {
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
        and message["params"]["documentURL"].startswith("file:")
    }
    assert page in asked
    assert {url.partition(":")[0] for url in asked} <= {"file", "blob", "data"}
    assert [url for url in asked if url.startswith("file:")] == [page]
    assert [e for e in opened.get_log("browser") if e["level"] == "SEVERE"] == []


@pytest.mark.fault(53)
def test_a_name_is_text_in_the_table_and_in_the_details(opened):
    open_details(opened, NASTY, "hiv")
    heading = opened.find_element(By.ID, "details-heading").text
    assert heading == f"{NASTY}: hiv, random split"
    headings = opened.find_elements(By.CSS_SELECTOR, "#details table.confusion thead th")
    assert [heading.text for heading in headings[1:]] == [NASTY, "active"]
    opened.execute_script("document.getElementById('details').close()")
    assert NASTY in lines(opened)
    choose_baseline(opened, NASTY)
    heading = opened.find_element(By.CSS_SELECTOR, ".results .gap-head")
    assert heading.text == f"minus {NASTY}"
    assert opened.execute_script("return window.broken") is None


def test_an_entry_opens_and_closes_by_keyboard(opened):
    cell = button(opened, "Balanced accuracy", "vanilla", "hiv")
    opened.execute_script("arguments[0].focus()", cell)
    cell.send_keys(Keys.ENTER)
    wait(opened, lambda: details(opened).get_attribute("open"))
    inside = "return document.getElementById('details').contains(document.activeElement)"
    assert opened.execute_script(inside)
    said = opened.find_element(By.ID, "announcement")
    assert said.get_attribute("textContent") == (
        "vanilla: hiv, random split: 2 of 2 runs complete."
    )
    opened.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait(opened, lambda: not details(opened).get_attribute("open"))
    assert opened.switch_to.active_element == cell


def test_focus_can_be_seen(opened):
    opened.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    focused = opened.switch_to.active_element
    assert focused.text == "Skip to the results"
    assert focused.value_of_css_property("outline-style") == "solid"


def test_details_show_runs_classes_matrix_curves_and_origin(opened):
    open_details(opened, "sdr", "chembl_ki")
    plots(opened, 2)
    text = details(opened).text
    for part in (
        "Repeat",
        "Classes",
        "Confusion matrix",
        "Curves",
        "Settings",
        "Provenance",
        "≠ SBAP",
    ):
        assert part in text
    headings = opened.find_elements(By.CSS_SELECTOR, "#details h3")
    assert len(headings) == 6
    rows = opened.find_elements(By.CSS_SELECTOR, "#details-body > .scroll tbody tr")
    assert [row.find_element(By.TAG_NAME, "th").text for row in rows] == ["0", "1"]


def test_the_command_is_selected_as_one_line_by_a_press(opened):
    open_details(opened, "sdr", "hiv")
    box = opened.find_element(By.CSS_SELECTOR, "#details .command")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", box)
    box.click()
    assert opened.execute_script("return String(getSelection())") == (
        "python run_bench.py --preset quick --datasets hiv --splits random --methods sdr "
        "--seeds 0,1 --set training.epochs=10 --out results/again"
    )


def test_a_missing_run_says_that_there_is_nothing(opened):
    open_details(opened, "ib", "hiv")
    assert "No run is complete" in details(opened).text
    assert "○ missing" in details(opened).text
    assert "no record: the command below runs it" in details(opened).text


def selected(driver):
    """The chosen tab, and the data sets in sight."""
    tabs = driver.find_elements(By.CSS_SELECTOR, "[role=tab][aria-selected=true]")
    found = driver.find_elements(By.CSS_SELECTOR, ".dataset")
    shown = [one.get_attribute("id") for one in found if one.is_displayed()]
    return [tab.get_attribute("textContent").split()[0] for tab in tabs], shown


def test_tabs_are_chosen_by_keyboard(opened):
    assert selected(opened) == (["hiv"], ["d0"])
    opened.execute_script("document.getElementById('tab-d0').focus()")
    for key, found in (
        (Keys.ARROW_RIGHT, (["chembl_ki"], ["d1"])),
        (Keys.ARROW_RIGHT, (["hiv"], ["d0"])),
        (Keys.ARROW_LEFT, (["chembl_ki"], ["d1"])),
        (Keys.HOME, (["hiv"], ["d0"])),
        (Keys.END, (["chembl_ki"], ["d1"])),
    ):
        opened.switch_to.active_element.send_keys(key)
        assert selected(opened) == found
    assert opened.switch_to.active_element.get_attribute("id") == "tab-d1"


def choose_baseline(driver, name):
    driver.execute_script(
        "const s = document.querySelector('.baseline');"
        "s.value = [...s.options].find((o) => o.textContent === arguments[0]).value;"
        "s.dispatchEvent(new Event('change'))",
        name,
    )


def differences(driver):
    found = driver.find_elements(By.CSS_SELECTOR, "#d0 .results tbody tr")
    return {
        row.find_element(By.TAG_NAME, "th").text: row.find_element(By.CSS_SELECTOR, ".gap").text
        for row in found
    }


def test_differences_are_to_the_baseline_that_is_chosen(opened):
    """The script says the same of a baseline as Python, and the opposite the other way round."""
    before = differences(opened)
    assert before["vanilla"] == "baseline"
    assert before["ib"] == "–"
    choose_baseline(opened, "sdr")
    after = differences(opened)
    assert after["sdr"] == "baseline"
    there, back = (text.split() for text in (before["sdr"], after["vanilla"]))
    assert float(there[0]) == -float(back[0])
    assert float(there[1].strip("[,")) == -float(back[2].strip("]"))
    assert there[3] in "▲▼≈"
    choose_baseline(opened, "vanilla")
    assert differences(opened) == before


def test_lines_are_found_sorted_and_the_best_is_first(opened):
    figures = "return [...document.querySelectorAll('#d0 .results td.ours:nth-child(2)')]"
    figures += ".map((f) => Number(f.dataset.order))"
    order = opened.execute_script(figures)
    assert len(order) == 4
    assert order == sorted(order, reverse=True)
    heading = opened.find_elements(By.CSS_SELECTOR, "#d0 .results thead th")[1]
    for state, falling in (("descending", True), ("ascending", False)):
        heading.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
        assert heading.get_attribute("aria-sort") == state
        order = opened.execute_script(figures)
        assert order == sorted(order, reverse=falling)
    opened.find_element(By.CSS_SELECTOR, "#d0 .find").send_keys("VANI")
    assert lines(opened) == ["vanilla"]
    found = opened.find_element(By.CSS_SELECTOR, "#d0 .found")
    assert not found.text
    opened.find_element(By.CSS_SELECTOR, "#d0 .find").send_keys("<i>")
    assert lines(opened) == []
    assert found.text == "No method has “VANI<i>” in its name."


def test_balanced_f1_is_folded_away(opened):
    text = "return document.querySelector('#d0 .results').innerText.includes('Balanced F1')"
    assert not opened.execute_script(text)
    opened.execute_script("document.querySelector('#d0 .unfold-measure').click()")
    assert opened.execute_script(text)


def test_the_csv_is_unpacked_to_be_kept(opened):
    opened.execute_script(
        "HTMLAnchorElement.prototype.click = function () {"
        " window.kept = [this.download, this.href.slice(0, 5)]; }"
    )
    opened.execute_script("document.querySelector('.download').click()")
    wait(opened, lambda: opened.execute_script("return window.kept"))
    assert opened.execute_script("return window.kept") == ["table2.csv", "blob:"]


def contrast(driver, selector):
    """That of a text on the ground of the page, by the formula of WCAG."""
    colours = driver.execute_script(
        "return [getComputedStyle(document.querySelector(arguments[0])).color,"
        "getComputedStyle(document.body).backgroundColor]",
        selector,
    )
    lights = []
    for colour in colours:
        linear = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
            for c in (float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3])
        ]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_are_read_by_day_and_by_night(opened, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        ground = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") is (scheme == "light")
        for selector in ("h1", ".what", ".results td button", "nav a", "caption"):
            assert contrast(opened, selector) >= 4.5, selector
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_in_print_are_all_data_sets_and_no_buttons(opened):
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert selected(opened)[1] == ["d0", "d1"]
        for selector in (
            "[role=tablist]",
            ".copy",
            ".download",
            ".controls",
            "nav",
            ".picture",
            ".screen",
        ):
            found = opened.find_elements(By.CSS_SELECTOR, selector)
            assert found
            assert not any(one.is_displayed() for one in found), selector
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_the_verdict_leads_to_the_commands(opened):
    link = next(
        one for one in opened.find_elements(By.CSS_SELECTOR, ".opens") if one.is_displayed()
    )
    box = opened.find_element(By.CSS_SELECTOR, link.get_dom_attribute("href"))
    block = opened.find_element(By.CSS_SELECTOR, ".do")
    assert not block.get_property("open")
    opened.execute_script("arguments[0].click()", link)
    assert block.get_property("open")
    assert " --missed" in box.text
    assert "random split" in box.text
    assert " fit --like " in block.text


def test_commands_are_printed(opened):
    shown = "return [...document.querySelectorAll('.do')].map((one) => one.open)"
    assert opened.execute_script(shown) == [False, False]
    opened.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert opened.execute_script(shown) == [True, True]
    opened.execute_script("dispatchEvent(new Event('afterprint'))")
    assert opened.execute_script(shown) == [False, False]


def test_on_a_phone_figures_stand_under_their_headings(opened):
    size = {"width": 375, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        right = (
            "return [...document.querySelectorAll(`#chart-p0 ${arguments[0]} tr:first-child > *`)]"
            ".map((cell) => [cell.textContent.trim(), cell.getBoundingClientRect().right])"
        )
        heads = dict(opened.execute_script(right, "thead"))
        method, _, mean, behind, _, _, time = opened.execute_script(right, "tbody")
        assert method[1] <= mean[1]
        assert mean[1] == heads["Mean"]
        assert behind[1] == heads["minus best"]
        assert time[1] == heads["Time"]
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_confusion_matrix_has_the_classes_in_the_order_of_their_table(opened):
    open_details(opened, "sdr", "hiv")
    names = "return [...document.querySelectorAll(arguments[0])].map((cell) => cell.textContent)"
    tables = opened.find_elements(By.CSS_SELECTOR, "#details table")
    classes = opened.execute_script(
        "return [...arguments[0].querySelectorAll('tbody th')].map((cell) => cell.textContent)",
        tables[1],
    )
    assert len(classes) == 2
    assert opened.execute_script(names, "#details .confusion tbody th") == classes
    assert opened.execute_script(names, "#details .confusion thead th")[1:] == classes


def test_nothing_is_wider_than_a_phone(opened):
    size = {"width": 375, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        wide = "return [document.documentElement.scrollWidth, innerWidth]"
        assert opened.execute_script(wide) == [375, 375]
        open_details(opened, "sdr", "hiv")
        plots(opened, 2)
        wide = "const d = document.getElementById('details'); return d.scrollWidth <= d.clientWidth"
        assert opened.execute_script(wide)
        wide = "const c = document.querySelector('#details .command');"
        assert opened.execute_script(f"{wide} return c.scrollWidth <= c.clientWidth")
        height = "return document.querySelector('.results td button').getBoundingClientRect()"
        assert opened.execute_script(f"{height}.height") >= 24
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
