"""The latency of sound output; Firefox is never asked for it, because it may freeze."""

from tests.signaling.web.peer.conftest import Browser

CHROMIUM = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"


def latency(browser: Browser, agent: str, **context: float) -> tuple[float, int]:
    found = browser.ask("latency", agent=agent, **context)
    return found["seconds"], found["asked"]


def test_the_latency_reported_by_the_browser_is_used(browser: Browser) -> None:
    assert latency(browser, CHROMIUM, told=0.04, base=0.01)[0] == 0.04
    assert latency(browser, CHROMIUM, told=0, base=0.01)[0] == 0.01
    assert latency(browser, CHROMIUM)[0] == 0


def test_firefox_is_never_asked(browser: Browser) -> None:
    seconds, asked = latency(browser, FIREFOX, told=0.04, base=0.01)
    assert not asked
    assert 0.01 < seconds < 0.05
