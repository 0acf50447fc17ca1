"""What becomes of the Expect header, which is looked at before any middleware is."""

from typing import Final

from aiohttp import web, web_urldispatcher

_answer_continue: Final = web_urldispatcher._default_expect_handler  # noqa: SLF001 - see below


async def _expect(request: web.Request) -> None:
    if request.headers.get("Expect", "").lower() == "100-continue":
        await _answer_continue(request)


def ignore_unknown_expectations() -> None:
    """Let routes that are made from now on ignore an Expect that says anything else.

    HTTP leaves that to the server (RFC 9110, 10.1.1). What aiohttp does with it is a 417 in its own
    words, and a 500 if it is not UTF-8. A route can have a handler of its own for it, but not the
    one that aiohttp makes for a path that is not there: so the default itself is another one.
    """
    web_urldispatcher._default_expect_handler = _expect  # noqa: SLF001
