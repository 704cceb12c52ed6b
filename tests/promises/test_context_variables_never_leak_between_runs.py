"""What a handler sets in a context variable is gone when the next run begins, also on the same pooled task."""

import contextvars

VARIABLE = contextvars.ContextVar("tenant", default="nobody")


def test_context_variables_never_leak_between_runs(work):
    found = []

    async def handler(event, ctx):
        found.append(VARIABLE.get())
        VARIABLE.set(event.key)

    def on_a_thread(event):
        found.append(VARIABLE.get())
        VARIABLE.set(event.key)

    async def scenario(app):
        for n in range(30):
            await app.send("src", n, key=f"k{n}")
        await app.settled()
        assert found == ["nobody"] * 30

    work(handler, scenario, output=None, concurrency=1)
    found.clear()
    work(on_a_thread, scenario, output=None, concurrency=1, threads=1)
