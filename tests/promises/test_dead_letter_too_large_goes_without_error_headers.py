"""Where the dead letter topic refuses a record for its size, it is sent without our error headers."""

from penstock import Reject


def test_dead_letter_too_large_goes_without_error_headers(work):
    async def handler(event, ctx):
        raise Reject("x" * 1500)

    async def scenario(app):
        await app.broker.admin().alter_configs("t.work.dlt", {"max.message.bytes": "3500"})
        await app.send("src", "y" * 2000, key="a")
        await app.settled()
        (letter,) = app.dead_letters("work")
        assert letter.header("penstock-error-message") is None
        assert letter.header("penstock-reason") == b"rejected"
        assert letter.value == b'"' + b"y" * 2000 + b'"'

    work(handler, scenario, output=None)
