"""The page in a Chromium without a network, by mouse, by keyboard and on a phone."""

from __future__ import annotations

import json
import shutil

import pytest

from bench.report.figures import source_of
from bench.report.html import write_page
from tests.report.report_records import make_grid, make_job, make_plan, make_record

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
    """Two seeds of three methods on two data sets; one method has a nasty name, one no run."""
    jobs = make_grid(("hiv", "chembl_ki"), methods=("vanilla", "cb", "sdr"), seeds=(0, 1))
    jobs = [{**job, "title": NASTY} if job["method"] == "cb" else job for job in jobs]
    jobs.append(make_job("hiv", method="ib"))
    records = [make_record(job) for job in jobs if job["method"] != "ib"]
    for record in records:
        if record["job"]["method"]["name"] == "sdr":
            for report in record["history"]:
                report["method"] = {"omega": [1.5, 0.5]}
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(path, source_of(make_plan(jobs), records, {}))
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
    """The page once its table sorts and filters."""
    chromium.get(page)
    wait(chromium, lambda: not chromium.find_element(By.ID, "filters").get_attribute("hidden"))
    return chromium


def wait(driver, condition):
    WebDriverWait(driver, 30).until(lambda _: condition())


def lines(driver):
    found = driver.find_elements(By.CSS_SELECTOR, "#table2 tbody tr")
    return [line.find_element(By.TAG_NAME, "th").text for line in found]


def button(driver, *words):
    """The first figure of the line whose label holds all `words`."""
    buttons = driver.find_elements(By.CSS_SELECTOR, "#table2 button")
    return next(b for b in buttons if all(w in b.get_attribute("aria-label") for w in words))


def details(driver):
    return driver.find_element(By.ID, "details")


def open_details(driver, *words):
    driver.execute_script("arguments[0].click()", button(driver, *words))
    wait(driver, lambda: details(driver).get_attribute("open"))


def plots(driver, count):
    wait(driver, lambda: len(driver.find_elements(By.CSS_SELECTOR, ".plot .main-svg")) >= count)


@pytest.mark.fault(53)
def test_the_page_asks_for_nothing_and_logs_no_error(opened, page):
    opened.get_log("browser")
    open_details(opened, "sdr", "hiv")
    plots(opened, 2)
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
    assert NASTY in lines(opened)
    assert opened.execute_script("return window.broken") is None


def test_a_cell_opens_and_closes_by_keyboard(opened):
    cell = button(opened, "BA", "vanilla", "hiv")
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


def test_a_hole_says_that_there_is_nothing(opened):
    open_details(opened, "ib", "hiv")
    assert "No run is complete" in details(opened).text
    assert "○ missing" in details(opened).text


def test_lines_are_filtered_and_sorted(opened):
    assert len(lines(opened)) == 7
    opened.execute_script(
        "const s = document.querySelector('[data-column=\"1\"]'); s.value = 'hiv';"
        "s.dispatchEvent(new Event('change'))"
    )
    assert len(lines(opened)) == 4
    heading = opened.find_elements(By.CSS_SELECTOR, "#table2 thead th")[4]
    heading.click()
    wait(opened, lambda: heading.get_attribute("aria-sort") == "ascending")
    figures = opened.find_elements(By.CSS_SELECTOR, "#table2 tbody tr td:nth-child(5)")
    order = [float(figure.get_attribute("data-order")) for figure in figures]
    assert order == sorted(order)
    opened.find_element(By.CSS_SELECTOR, "input[type=search]").send_keys("vanilla")
    wait(opened, lambda: lines(opened) == ["vanilla"])


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
        wide = "const c = document.querySelector('.command'); return c.scrollWidth <= c.clientWidth"
        assert opened.execute_script(wide)
        height = "return document.querySelector('#table2 button').getBoundingClientRect().height"
        assert opened.execute_script(height) >= 24
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
