"""The page in a real browser: what its script does and must not do, how it prints, and how it looks."""

import base64
import io
import shlex
import shutil

import pytest
from PIL import Image
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from nas_moo.cli.options import read_limits
from reports import front_table, sliders

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "headless=new",
    "no-sandbox",
    "disable-gpu",
    "disable-dev-shm-usage",
    "hide-scrollbars",
    "window-size=1280,900",
)

pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no Chromium here: apt-get install chromium chromium-driver"
)


@pytest.fixture(scope="module")
def driver():
    options = ChromeOptions()
    for flag in FLAGS:
        options.add_argument(f"--{flag}")
    options.binary_location = BROWSER
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def chromium(driver):
    """On a light screen, whatever the test before has set."""
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    return driver


@pytest.fixture
def opened(chromium, written):
    chromium.get(written.as_uri())
    yield chromium
    assert chromium.get_log("browser") == [], "the console should have nothing to say"


def set_slider(driver, number, position):
    driver.execute_script(
        "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))",
        driver.find_element(By.ID, f"limit-{number}"), position,
    )  # fmt: skip


def shown(driver):
    """Ids of the models that the table shows, and of those that may keep the limits."""
    rows = driver.execute_script(
        "return [...document.querySelector('#limits table').tBodies[0].rows]"
        ".filter(row => row.checkVisibility()).map(row => [row.cells[0].innerText, row.dataset.standing])"
    )
    found = [(text.split()[0], standing) for text, standing in rows]
    assert all(("perhaps" in text) == (standing == "perhaps") for text, standing in rows)
    return {i for i, _ in found}, {i for i, standing in found if standing == "perhaps"}


def text(driver, selector):
    return driver.find_element(By.CSS_SELECTOR, selector).text


def test_at_first_no_limit_is_set_and_everything_is_shown(opened, study):
    assert shown(opened) == (set(study.front()["id"]), set())
    assert text(opened, ".limits .count") == f"No limit is set: all {len(study.front())} models are shown."
    assert text(opened, ".limits code") == "nas-moo choose convnet-digits"
    assert {e.text for e in opened.find_elements(By.CSS_SELECTOR, ".limits output")} == {"no limit"}


@pytest.mark.parametrize("position", [0, 11, 30, 52])
def test_sliders_filter_as_choose_does_and_say_how_to_ask_it(opened, study, position):
    set_slider(opened, 2, position)
    gathered = sliders.gather(study, front_table.members(study))
    stop = gathered.sliders[1].stops[position]
    front = study.front()
    keep = set(front["id"][front["flops_high"] <= stop.value])
    assert shown(opened) == (keep, set())
    assert 0 < len(keep) < len(front)
    meets = "meets" if len(keep) == 1 else "meet"
    assert text(opened, ".limits .count") == f"{len(keep)} of {len(front)} models {meets} this limit."
    program, command, name, *given = shlex.split(text(opened, ".limits code"))
    assert (program, command, name) == ("nas-moo", "choose", "convnet-digits")
    choice = study.choose(read_limits([g for g in given if g != "--max"]))
    assert f"of {choice.id}." in text(opened, ".limits .lowest")
    assert stop.text in text(opened, "label[for=limit-2] ~ output")


def test_an_interval_across_the_limit_is_marked_perhaps_and_two_limits_both_count(opened, study):
    set_slider(opened, 3, 30)  # every latency of the fixture lies between 0.05 and 1 ms
    everyone = set(study.front()["id"])
    assert shown(opened) == (everyone, everyone)
    assert f"0 of {len(everyone)} models meet this limit; {len(everyone)} more perhaps" in text(opened, ".count")
    set_slider(opened, 2, 30)
    both, perhaps = shown(opened)
    assert both == perhaps
    assert 0 < len(both) < len(everyone)
    assert text(opened, ".limits code").count("--max") == 2
    opened.find_element(By.CSS_SELECTOR, ".limits button").click()
    assert shown(opened) == (everyone, set())
    assert "--max" not in text(opened, ".limits code")


def test_the_keyboard_moves_a_slider_and_a_screen_reader_is_told(opened, study):
    slider = opened.find_element(By.ID, "limit-2")
    assert slider.accessible_name == "FLOPs at most"
    slider.send_keys(Keys.HOME)
    lowest, _ = shown(opened)
    assert len(lowest) < len(study.front())
    before = slider.get_attribute("aria-valuetext")
    slider.send_keys(Keys.ARROW_RIGHT)
    assert slider.get_attribute("value") == "1"
    assert slider.get_attribute("aria-valuetext") != before
    assert slider.get_attribute("aria-valuetext").startswith("at most ")
    assert opened.find_element(By.CSS_SELECTOR, ".limits [role=status]").get_attribute("aria-live") == "polite"
    slider.send_keys(Keys.END)
    assert slider.get_attribute("aria-valuetext") == "no limit"
    assert shown(opened)[0] == set(study.front()["id"])


def test_print_has_every_model_and_no_sliders(opened, study):
    set_slider(opened, 2, 10)
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    rows = opened.find_element(By.CSS_SELECTOR, "#limits table").find_elements(By.CSS_SELECTOR, "tbody tr")
    assert [r.is_displayed() for r in rows] == [True] * len(study.front())
    assert not opened.find_element(By.CSS_SELECTOR, ".limits").is_displayed()
    assert not opened.find_element(By.TAG_NAME, "nav").is_displayed()
    pdf = base64.b64decode(opened.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 50_000


def test_without_scripts_the_page_is_complete(chromium, written, study):
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        chromium.get(written.as_uri())
        rows = chromium.find_element(By.CSS_SELECTOR, "#limits table").find_elements(By.CSS_SELECTOR, "tbody tr")
        assert [r.is_displayed() for r in rows] == [True] * len(study.front())
        assert not chromium.find_element(By.CSS_SELECTOR, ".limits").is_displayed()
    finally:
        chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_hostile_names_run_no_script(chromium, written_hostile):
    chromium.get(written_hostile.as_uri())
    assert chromium.get_log("browser") == []
    assert chromium.execute_script("return [typeof window.__hacked, document.scripts.length]") == ["undefined", 2]
    assert chromium.find_element(By.TAG_NAME, "h1").text.startswith("</script><script>")
    set_slider(chromium, 2, 30)
    assert "</script>" in text(chromium, ".limits .lowest")
    assert "'" in text(chromium, ".limits code"), "a hostile name should be quoted for the shell"


def test_a_script_that_is_not_ours_does_not_run(chromium, written, tmp_path):
    forged = tmp_path / "forged.html"
    injected = "<script>window.__hacked = 1</script><img src=x onerror='window.__hacked = 2'>"
    forged.write_text(written.read_text().replace("</main>", f"{injected}</main>"))
    chromium.get(forged.as_uri())
    assert chromium.execute_script("return typeof window.__hacked") == "undefined"
    assert any("Content Security Policy" in entry["message"] for entry in chromium.get_log("browser"))


@pytest.mark.parametrize(("theme", "paper"), [("light", (255, 255, 255)), ("dark", (20, 24, 29))])
@pytest.mark.parametrize("width", [1280, 420])
def test_looks(opened, theme, paper, width):
    opened.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    )
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert opened.execute_script("return document.documentElement.scrollWidth") == width, "nothing sticks out"
        figure = opened.find_element(By.CSS_SELECTOR, "#choice figure svg")
        picture = Image.open(io.BytesIO(figure.screenshot_as_png)).convert("RGB")
        assert picture.getpixel((1, 1)) == paper
        assert len(picture.getcolors(1_000_000)) > 50
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
