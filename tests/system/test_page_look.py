"""How the page looks and is used, on screens of every kind: a real browser, a scripted session."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from actors.messages import ChatMessage, EndSession, Failed, Said, Say, SessionError, StartSession
from tests.chromium import Chromium
from tests.process.test_kiosk import Terminal
from tests.scripted import agent, talking

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

SCREENS = {
    "kiosk": (1080, 1920),
    "tablet": (768, 1024),
    "phone": (390, 844),
    "phone on its side": (844, 390),
    "desktop": (1440, 900),
}
WORDS = [
    ("user_transcript", "السلام عليكم، أين أجد القطار إلى باريس من فضلك؟"),
    ("agent_transcript", "שלום! הרכבת יוצאת ב-10:42 מרציף 3 👋🏽"),
    ("user_input", "👨‍👩‍👧‍👦🎟️" * 40),
    ("agent_transcript", "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk" * 6),
    ("user_input", "https://example.org/" + "a" * 400),
    ("agent_transcript", "<b>not bold</b>\n\n" + "and so on and on " * 100),
    ("user_transcript", "z̴͓̓a̷l̸g̵o̷ " * 30),
]
WORD = "document.getElementById('word').textContent"
LINE = "document.body.dataset.line"
COUNT = "document.querySelectorAll('.message').length"

SPILT = """
  [...document.querySelectorAll('body *')].filter((part) => {
    const box = part.getBoundingClientRect();
    const seen = box.width > 1 && box.height > 1 && !part.closest('.orb, .unseen, #messages');
    return seen && (box.left < -1 || box.top < -1 || box.right > innerWidth + 1
      || box.bottom > innerHeight + 1);
  }).map((part) => part.outerHTML.slice(0, 80)).concat(
    document.documentElement.scrollWidth > innerWidth ? ['the page'] : [],
    [...document.querySelectorAll('#messages .text')].filter((part) =>
      part.scrollWidth > part.clientWidth + 1
      || part.getBoundingClientRect().right > innerWidth).map((part) => part.textContent))
"""
FAINT = """
  (() => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const over = (colour, below) => {  // what one sees of a colour on another one
      canvas.fillStyle = below; canvas.fillRect(0, 0, 1, 1);
      canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
      return `rgb(${[...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).join(' ')})`;
    };
    const light = (colour) => {
      const [r, g, b] = colour.match(/\\d+/g).map((v) => v / 255)
        .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (part) => part === null ? 'rgb(255 255 255)'
      : over(getComputedStyle(part).backgroundColor, ground(part.parentElement));
    const isVeiled = (part) => part !== null
      && (getComputedStyle(part).opacity < 1 || isVeiled(part.parentElement));
    const contrast = (part) => {
      if (isVeiled(part)) return 1;
      const below = ground(part);
      const [a, b] = [light(over(getComputedStyle(part).color, below)), light(below)];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    };
    return [...document.querySelectorAll(
        'h1, #word, #hint, #call, #trouble, #dismiss, .divider, .who, .time, .text')]
      .filter((part) => part.checkVisibility() && contrast(part) < 4.5)
      .map((part) => `${part.id || part.className}: ${contrast(part).toFixed(2)}`);
  })()
"""
SETTLE = """
  new Promise((go) => requestAnimationFrame(() => {
    for (const each of document.getAnimations()) {
      if (each instanceof CSSTransition) each.finish();
    }
    requestAnimationFrame(go);
  }))
"""
SMALL = """
  [...document.querySelectorAll('#call, #mute, #send, #text')].filter((part) => {
    const box = part.getBoundingClientRect();
    return box.width < 44 || box.height < 44;
  }).map((part) => part.id)
"""
AT_END = "scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 2"

Browse = Callable[[Callable[[Terminal, Chromium], Awaitable[None]]], None]


@pytest.fixture
def browse(runtime_dir: Path, tmp_path: Path) -> Browse:
    """Run a scenario with the page open and the session off."""

    def run(scenario: Callable[[Terminal, Chromium], Awaitable[None]]) -> None:
        async def play() -> None:
            folder = tmp_path / "profile"
            folder.mkdir()
            async with Terminal(runtime_dir) as terminal, Chromium(folder) as page:
                await page.open(terminal.url())
                await page.until(LINE, "open")
                await page.until(WORD, "Disconnected")
                await scenario(terminal, page)

        asyncio.run(play())

    return run


def _talk(terminal: Terminal) -> None:
    for number, (kind, text) in enumerate(WORDS):
        terminal.session.say(str(number), text, kind)  # type: ignore[arg-type]
    terminal.session.say("live", "And then there was", "user_transcript", final=False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_can_be_read_and_reached_on_every_screen(browse: Browse, scheme: str) -> None:
    error = SessionError(
        "sender", "the text could not be sent, " + "for one reason or another " * 4
    )

    async def scenario(terminal: Terminal, page: Chromium) -> None:
        async def check(what: str) -> None:
            for name, size in SCREENS.items():
                await page.screen(*size, prefers_color_scheme=scheme)
                await page.evaluate(SETTLE)
                found = {
                    "spilt": await page.evaluate(SPILT),
                    "faint": await page.evaluate(FAINT),
                    "small": await page.evaluate(SMALL),
                }
                assert found == {"spilt": [], "faint": [], "small": []}, f"{what} on {name}"

        await check("idle")
        _talk(terminal)
        terminal.session.state(talking("listening"))
        await page.until(COUNT, len(WORDS) + 1)
        await check("talking")
        terminal.session.state(talking("listening", error=error))
        await page.until("document.getElementById('banner').hidden", False)
        await check("an error")
        assert page.problems == []

    browse(scenario)


def test_nothing_moves_for_those_who_want_no_motion_nor_while_nobody_talks(browse: Browse) -> None:
    moving = "document.getAnimations().filter((a) => a.playState === 'running').length > 0"

    async def scenario(terminal: Terminal, page: Chromium) -> None:
        await page.screen(390, 844, prefers_reduced_motion="no-preference")
        await page.until(moving, False)
        terminal.session.say("1", "Good mor", final=False)
        terminal.session.state(talking("thinking"))
        await page.until(WORD, "Thinking")
        await page.until(moving)
        await page.screen(390, 844, prefers_reduced_motion="reduce")
        await page.until(moving, False)

    browse(scenario)


def test_only_what_is_final_is_read_out_and_that_once(browse: Browse) -> None:
    spoken = "document.getElementById('spoken').textContent"

    async def scenario(terminal: Terminal, page: Chromium) -> None:
        terminal.session.state(talking("speaking"))
        for text in ("Good", "Good morn"):
            terminal.session.say("1", text, final=False)
            await page.until(f"document.querySelector('.message .text')?.textContent === '{text}'")
        assert await page.evaluate(spoken) == ""
        terminal.session.say("1", "Good morning")
        await page.until(spoken, "Agent: Good morning")
        await page.evaluate("document.getElementById('spoken').textContent = ''")
        terminal.session.say("2", "Hello", "user_input")
        await page.until(spoken, "You: Hello")
        live = "document.getElementById('spoken').getAttribute('aria-live')"
        assert await page.evaluate(live) == "polite"
        assert (
            await page.evaluate("document.getElementById('word').getAttribute('role')") == "status"
        )

    browse(scenario)


def test_everything_can_be_done_with_the_keyboard_and_the_focus_stays(browse: Browse) -> None:
    focus = "document.activeElement.id"

    async def scenario(terminal: Terminal, page: Chromium) -> None:
        await page.evaluate("document.body.focus()")
        reached = []
        for _ in range(3):
            await page.press("Tab")
            reached.append(await page.evaluate(focus))
        assert reached[:2] == ["mute", "call"]
        await page.evaluate("document.getElementById('call').focus()")
        await page.press("Enter")
        assert await terminal.session.next_order() == StartSession()
        terminal.session.state(talking("listening"))
        await page.until(WORD, "Listening")
        assert await page.evaluate(focus) == "call"
        assert (
            await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        )
        while await page.evaluate(focus) != "text":
            await page.press("Tab")
        await page.type("hello")
        await page.until("document.getElementById('send').disabled", False)
        await page.press("Tab")
        assert await page.evaluate(focus) == "send"
        await page.press("Enter")
        order = await terminal.session.next_order()
        assert isinstance(order, Say)
        assert order.text == "hello"
        assert await page.evaluate(focus) == "text"
        await page.evaluate("document.getElementById('call').focus()")
        await page.press("Space")
        assert await terminal.session.next_order() == EndSession()

    browse(scenario)


def test_a_refused_text_is_there_again_and_the_reason_can_be_dismissed(browse: Browse) -> None:
    async def scenario(terminal: Terminal, page: Chromium) -> None:
        terminal.session.state(talking("listening"))
        await page.until("document.getElementById('text').disabled", False)
        terminal.session.refuse(Say, Failed("sender", "not sent within 10 s", "try again"))
        await page.click("#text")
        await page.type("hello")
        await page.press("Enter")
        await page.until(
            "document.getElementById('trouble').textContent", "not sent within 10 s: try again"
        )
        assert await page.evaluate("document.getElementById('text').value") == "hello"
        assert await page.evaluate(COUNT) == 0
        await page.click("#dismiss")
        await page.until("document.getElementById('banner').hidden")
        assert await page.evaluate("document.activeElement.id") == "text"

    browse(scenario)


def test_a_text_that_is_kept_is_shown_as_such_until_it_is_sent_or_given_up(browse: Browse) -> None:
    async def scenario(terminal: Terminal, page: Chromium) -> None:
        away = talking("listening", connection_state="reconnecting")
        terminal.session.state(away)
        await page.until("document.getElementById('text').disabled", False)
        kept = ChatMessage("", "user_input", "", 1.0)
        terminal.session.answers[Say] = Said(kept, kept=True)
        ids = []
        for text in ("hello", "goodbye"):
            await page.click("#text")
            await page.type(text)
            await page.press("Enter")
            order = await terminal.session.next_order()
            assert isinstance(order, Say)
            ids.append(order.id)
        times = "[...document.querySelectorAll('.unsent .time')].map((each) => each.textContent)"
        await page.until(f"{times}.join()", "kept until it can be sent,kept until it can be sent")
        terminal.session.state(msgspec.structs.replace(away, kept=2))
        terminal.session.say(ids[0], "hello", "user_input")
        await page.until("document.querySelectorAll('.unsent').length", 1)
        lost = SessionError("sender", "a message that was kept was not sent")
        terminal.session.state(msgspec.structs.replace(away, error=lost))
        await page.until("document.querySelectorAll('.unsent').length", 0)
        trouble = await page.evaluate("document.getElementById('trouble').textContent")
        assert lost.reason in trouble

    browse(scenario)


def test_a_text_in_doubt_is_shown_as_such_and_not_offered_to_be_sent_again(
    browse: Browse,
) -> None:
    async def scenario(terminal: Terminal, page: Chromium) -> None:
        terminal.session.state(talking("listening"))
        await page.until("document.getElementById('text').disabled", False)
        terminal.session.refuse(Say, Failed("sender", "the room did not answer", in_doubt=True))
        await page.click("#text")
        await page.type("hello")
        await page.press("Enter")
        await page.until("document.querySelector('.unsent .time')?.textContent", "perhaps sent")
        assert await page.evaluate("document.querySelector('.unsent .text').textContent") == "hello"
        assert await page.evaluate("document.getElementById('text').value") == ""
        trouble = await page.evaluate("document.getElementById('trouble').textContent")
        assert "it may have been done" in trouble
        order = await terminal.session.next_order()
        assert isinstance(order, Say)
        terminal.session.say(order.id, "hello", "user_input")  # it was sent
        await page.until("document.querySelectorAll('.unsent').length", 0)
        terminal.session.purge(order.id)
        await page.until("document.querySelectorAll('.unsent').length", 1)
        await page.click("#dismiss")
        await page.until("document.querySelectorAll('.unsent').length", 0)
        assert await page.evaluate("document.getElementById('banner').hidden")
        assert terminal.session.orders.empty()

    browse(scenario)


def test_an_error_of_the_session_is_told_in_words(browse: Browse) -> None:
    async def scenario(terminal: Terminal, page: Chromium) -> None:
        told = "document.getElementById('trouble').textContent"
        terminal.session.state(talking("listening", error=SessionError("connection", "timed out")))
        await page.until(told, "No connection: timed out")
        await page.click("#dismiss")
        terminal.session.state(talking("listening"))
        await page.until("document.getElementById('banner').hidden")
        for error, hint in (("timeout", "No agent has come"), ("left", "The agent has left")):
            view = msgspec.structs.replace(agent("idle"), life="failed", state=None, error=error)
            terminal.session.state(talking(agent=view))
            await page.until(WORD, "Failed")
            await page.until(f"document.getElementById('hint').textContent.startsWith({hint!r})")

    browse(scenario)


def test_who_reads_along_stays_at_the_end_and_who_reads_back_is_left_alone(browse: Browse) -> None:
    async def scenario(terminal: Terminal, page: Chromium) -> None:
        await page.evaluate("window.scroller = document.getElementById('scroller')")
        _talk(terminal)
        await page.until(COUNT, len(WORDS) + 1)
        for size in SCREENS.values():
            await page.screen(*size)
            await page.until(AT_END)
        await page.screen(*SCREENS["phone"])
        await page.until(AT_END)
        # What a change of size has still to do may come after AT_END: until it stays where it is.
        await page.until(
            "scroller.scrollTop === 40 || (scroller.scrollTop = 40,"
            " scroller.dispatchEvent(new Event('scroll')), false)"
        )
        terminal.session.say("new", "Something new")
        await page.until("document.getElementById('newest').hidden", False)
        assert await page.evaluate("scroller.scrollTop") == 40
        await page.click("#newest")
        await page.until(AT_END)
        await page.until("document.getElementById('newest').hidden")

    browse(scenario)


def test_a_page_without_its_terminal_does_not_say_that_it_listens(browse: Browse) -> None:
    async def scenario(terminal: Terminal, page: Chromium) -> None:
        terminal.session.state(talking("listening"))
        await page.until(WORD, "Listening")
        await terminal.children.kill("kiosk")
        await page.until(WORD, "Reconnecting")
        assert "lost its terminal" in await page.evaluate(
            "document.getElementById('hint').textContent"
        )
        assert await page.evaluate("document.getElementById('call').disabled") is True
        await page.click("#text")
        await page.type("written meanwhile")
        await page.press("Enter")
        await page.until(
            "document.querySelector('.unsent .text')?.textContent", "written meanwhile"
        )
        await terminal.start()
        order = await terminal.session.next_order()
        assert isinstance(order, Say)
        assert order.text == "written meanwhile"
        await page.until("document.querySelectorAll('.unsent').length", 0)
        await page.until(COUNT, 1)

    browse(scenario)


def test_what_anyone_said_is_never_markup(browse: Browse) -> None:
    evil = "<img src=x onerror='window.evil = true'><script>window.evil = true</script>"

    async def scenario(terminal: Terminal, page: Chromium) -> None:
        terminal.session.say("1", evil)
        await page.until("document.querySelector('.message .text')?.textContent", evil)
        assert await page.evaluate("document.querySelectorAll('#messages img').length") == 0
        assert await page.evaluate("window.evil") is None
        assert json.dumps(evil) not in str(page.requests)
        assert page.problems == []

    browse(scenario)
