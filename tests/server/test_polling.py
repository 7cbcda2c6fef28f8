import asyncio

from structlog.testing import capture_logs

from server.polling import polling


async def test_it_looks_again_after_an_error_and_ends_with_its_block() -> None:
    looks = 0
    thrice = asyncio.Event()

    async def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            thrice.set()
        raise ValueError("broken")

    with capture_logs() as logs:
        async with polling("tests", look, 0.001), asyncio.timeout(60):
            await thrice.wait()
        ended = looks
        await asyncio.sleep(0.02)
    assert looks == ended
    assert {(line["event"], line["what"]) for line in logs} == {("poll_failed", "tests")}
