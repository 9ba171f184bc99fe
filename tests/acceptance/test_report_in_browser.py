"""The report as a person uses it, in a real browser without a window."""

import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[1] / "unit"
sys.path.insert(0, str(UNIT))  # the told histories are the unit tests'

from report_stories import directory, paused_holder  # noqa: E402
from written_histories import Story  # noqa: E402

from bench.record import TrialRecord  # noqa: E402
from bench.report import write_report  # noqa: E402

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

JOB = "</script><img src=x onerror=alert(1)> \"'& \u0645\u0647\u0645\u0629 \U0001f570"
INSTANCE = "i1 <b>\u05d0</b>"
CELL = "redis-lock/pause/equal-2s-n0-m1"


class Reader:
    """Somebody with the page open."""

    def __init__(self, driver, page: Path) -> None:
        self.driver = driver
        self.address = page.as_uri()

    def open(self, fragment: str = "") -> "Reader":
        self.driver.get("about:blank")
        self.driver.get(self.address + fragment)
        return self

    def one(self, selector: str):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return self.one(selector).text

    def shown(self, selector: str) -> list[str]:
        return [found.text for found in self.all(selector) if found.is_displayed()]

    def ask(self, script: str, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait(self, script: str) -> None:
        WebDriverWait(self.driver, 10, poll_frequency=0.02).until(lambda _: self.ask(script))

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)


@pytest.fixture(scope="module")
def driver() -> Iterator[object]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    controller = shutil.which("chromedriver")
    if not chromium or not controller:
        pytest.skip("no Chromium with chromedriver on PATH (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument("--window-size=1300,900")
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(controller))
    yield made
    made.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """Three strategies, three scenarios; names that try to be markup."""

    def record(strategy: str, scenario: str) -> TrialRecord:
        command = f"coordbench trial {strategy} {scenario} --trial-seed 7"
        return TrialRecord(strategy=strategy, scenario=scenario, jobs=1, command=command)

    healthy = Story().job().due(10.0).run(10.0, 10.01, 10.4)
    hostile = paused_holder(JOB, first=INSTANCE)
    results = directory(
        tmp_path_factory.mktemp("report"),
        (paused_holder(), record("redis-lock", "pause")),
        (healthy, record("redis-lock", "steady")),
        (healthy, record("zookeeper-election", "steady")),
        (hostile, record("quartz", "pause")),
    )
    return write_report(results)


@pytest.fixture
def reader(driver, page) -> Iterator[Reader]:
    driver.get_log("browser")
    yield Reader(driver, page)
    assert driver.get_log("browser") == [], "the page wrote errors to the console"


def test_three_clicks_lead_from_the_matrix_to_why_a_fire_ran_twice(reader):
    reader.open()
    reader.one("tr[data-strategy='redis-lock'] td[data-scenario='pause'] button.cell").click()
    assert "redis-lock under pause" in reader.text("#cell h2")
    assert len(reader.all("#cell figure")) >= 2
    reader.one("#cell button.trial").click()
    assert "trial 1" in reader.text("#trial h2")
    assert "run on i2 began" in reader.text("#story")
    assert "pause from" in reader.text("#story")
    assert "broken promise, no duplicates: 1" in reader.text("#trial")
    assert reader.text("#command") == "coordbench trial redis-lock pause --trial-seed 7"


def test_a_shared_address_opens_the_same_view(reader):
    reader.open(f"#cell={CELL}&trial=1&t=9000..14000&theme=dark")
    assert "trial 1" in reader.text("#trial h2")
    assert reader.ask("return [page.timeline.from, page.timeline.to]") == [9000, 14000]
    assert reader.ask("return document.documentElement.dataset.theme") == "dark"


def test_filters_live_in_the_address_and_go_back(reader):
    reader.open("#family=lock&scenario=pause")
    assert reader.shown("table.matrix tbody th bdi") == ["redis-lock"]
    assert len(reader.shown("button.cell")) == 1
    assert "1 of 4 cells" in reader.text("#found")
    reader.one("#f-clear").click()
    assert len(reader.shown("button.cell")) == 4
    reader.driver.back()
    assert len(reader.shown("button.cell")) == 1
    reader.one("#f-q").send_keys("zoo")
    assert "q=zoo" in reader.driver.current_url


def test_an_address_that_makes_no_sense_shows_the_matrix(reader):
    reader.open("#cell=nobody/never&trial=99&t=x..y&family=%3Cb%3E&theme=pink")
    assert not reader.one("#cell").is_displayed()
    reader.open(f"#cell={CELL}&trial=1&t=x..y&fire=no-such@12")
    assert reader.one("#timeline").is_displayed()


def test_everything_can_be_done_by_keyboard(reader):
    reader.open()
    reader.ask("document.querySelector('button.cell').focus()")
    reader.keys(Keys.ENTER)
    assert reader.ask("return document.activeElement.id") == "cell-title"
    reader.keys(Keys.TAB, Keys.TAB, Keys.ENTER)
    assert reader.ask("return document.activeElement.id") == "trial-title"
    reader.ask("document.getElementById('timeline').focus()")
    before = reader.ask("return [page.timeline.from, page.timeline.to]")
    reader.keys("+", Keys.ARROW_RIGHT)
    after = reader.ask("return [page.timeline.from, page.timeline.to]")
    assert after[1] - after[0] < before[1] - before[0]
    assert "seconds" in reader.ask("return document.getElementById('live').textContent")
    reader.keys(Keys.HOME)
    assert reader.ask("return [page.timeline.from, page.timeline.to]") == before


def test_keys_step_through_the_remarkable_fires(reader):
    reader.open(f"#cell={CELL}&trial=1")
    first = reader.text("#story h3")
    reader.ask("document.getElementById('timeline').focus()")
    reader.keys("n")
    assert reader.text("#story h3") != first
    reader.keys("p")
    assert reader.text("#story h3") == first


def test_hovering_a_run_tells_its_fire_instance_and_fence(reader):
    reader.open(f"#cell={CELL}&trial=1")
    said = reader.ask(
        """const t = page.timeline, run = t.trial.runs[8].findIndex((flags) => flags & 2);
        const box = t.canvas.getBoundingClientRect();
        const at = {clientX: box.left + t.x(t.trial.runs[3][run] + 100),
                    clientY: box.top + t.y(run) + t.bar / 2, bubbles: true};
        t.canvas.dispatchEvent(new PointerEvent("pointermove", at));
        return document.getElementById("tip").textContent"""
    )
    assert re.search(r"fire report@\d+\ninstance i2\n", said)
    assert "no fence" in said
    assert "one too many" in said


def test_hovering_ownership_tells_its_fence(reader):
    reader.open(f"#cell={CELL}&trial=1")
    said = reader.ask(
        "const t = page.timeline; const y = t.top(0) + t.shown * t.bar + 2;"
        "return t.words(t.under(t.x(11000), y))"
    )
    assert "owns report (fence 1)" in said
    assert "lost: not renewed" in said


def test_names_show_as_the_text_they_are(reader):
    reader.open("#cell=quartz/pause/equal-2s-n0-m1&trial=1")
    assert JOB in reader.ask("return document.getElementById('story').textContent")
    assert INSTANCE in reader.ask("return document.getElementById('story').textContent")
    assert reader.all("main img, main b b") == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_in_both_themes(reader, theme):
    """Contrast of at least 4.5 to 1 (WCAG 2 AA) for text on its ground, in every status."""
    reader.open(f"#cell={CELL}&trial=1&theme={theme}")
    contrasts = reader.ask(
        """const light = (hex) => {
          const rgb = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
            .map((one) => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
          return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
        };
        const full = (name) => {
          const hex = page.colour(name);
          return hex.length === 4 ? "#" + [...hex.slice(1)].map((one) => one + one).join("") : hex;
        };
        const pairs = [["ink", "ground"], ["quiet", "ground"], ["quiet", "panel"],
          ...["ok", "broken", "declared", "invalid"].flatMap((one) =>
            [[`${one}-ink`, one], ["ink", one], ["quiet", one]]),
          ...["lock", "election", "quartz", "queue", "control"].map((one) => [one, "ground"])];
        return pairs.map(([a, b]) => {
          const [low, high] = [light(full(a)), light(full(b))].sort((x, y) => x - y);
          return [`${a} on ${b}`, (high + 0.05) / (low + 0.05)];
        })"""
    )
    least = 4.5
    assert [(pair, ratio) for pair, ratio in contrasts if ratio < least] == []


def test_screen_readers_get_names_for_everything_that_can_be_used(reader):
    reader.open(f"#cell={CELL}&trial=1")
    nameless = reader.ask(
        """const used = document.querySelectorAll("button, input, select, canvas, svg");
        const named = (one) => one.textContent.trim() || one.ariaLabel || one.labels?.length;
        return [...used].filter((one) => !named(one))
          .map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
    reader.one("#trial > details summary").click()
    reader.wait("return document.querySelectorAll('#trial > details tbody tr').length === 3")


def test_the_page_fits_a_narrow_window(reader):
    reader.driver.set_window_size(500, 900)
    try:
        reader.open(f"#cell={CELL}&trial=1")
        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert reader.ask(wide) <= 0
    finally:
        reader.driver.set_window_size(1300, 900)


def test_a_page_opens_in_a_second(reader):
    began = time.perf_counter()
    reader.open(f"#cell={CELL}&trial=1")
    assert time.perf_counter() - began < 1.0


def test_a_timeline_of_50_instances_with_10_000_runs_each_pans_at_30_frames_a_second(reader):
    reader.open(f"#cell={CELL}&trial=1")
    reader.ask(
        """const count = 500000;
        const runs = Array.from({length: 9}, () => new Array(count));
        for (let run = 0; run < count; run++) {
          const start = Math.floor(run / 50) * 100 + (run % 50);
          [run % 1000, start, run % 50, start, 80, 1, run, 0, run % 997 ? 0 : 3]
            .forEach((value, at) => { runs[at][run] = value; });
        }
        const big = {runs, idle: [], owned: [], remarks: [], faults: [], phases: [], origin_ms: 0,
          end_ms: 1000000, jobs: Array.from({length: 1000}, (_, job) => `job-${job}`),
          instances: Array.from({length: 50}, (_, one) => `i${one}`)};
        page.timeline.observer.disconnect();
        const canvas = document.getElementById("timeline");
        page.timeline = new page.Timeline(canvas, big, "lock", () => {});
        """
    )
    for share_shown in (1.0, 0.1, 0.001):
        # What it can do: other tests run beside it, so that one measurement may be too slow.
        measured: list[float] = []
        while not measured or (measured[-1] < 30 and len(measured) < 10):
            measured.append(frames_per_s(reader, share_shown))
        assert max(measured) >= 30, f"{share_shown:g} of the time shown: {measured}"


def frames_per_s(reader, share_shown: float) -> float:
    reader.ask(
        """const t = page.timeline, span = t.last * arguments[0];
        t.show(0, span);
        window.frames_per_s = 0;
        let began, frames = 0;
        const next = (now) => {
          began ||= now;
          t.pan(0.01);
          if (++frames <= 40) requestAnimationFrame(next);
          else window.frames_per_s = 40000 / (now - began);
        };
        requestAnimationFrame(next)""",
        share_shown,
    )
    reader.wait("return frames_per_s > 0")
    return reader.ask("return frames_per_s")


def test_it_prints_on_white_with_what_was_asked_and_without_controls(reader):
    reader.open(f"#cell={CELL}&trial=1&theme=dark")
    reader.ask("dispatchEvent(new Event('beforeprint'))")
    assert reader.ask("return document.documentElement.dataset.theme") == "light"
    reader.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert reader.one("details.about dl").is_displayed()
        assert not reader.one("#filters").is_displayed()
    finally:
        reader.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    reader.ask("dispatchEvent(new Event('afterprint'))")
    assert reader.ask("return document.documentElement.dataset.theme") == "dark"
