"""Nothing of an event is ever read as HTML: not its data, key, type, headers or error, on no page."""

import re
from html.parser import HTMLParser

EVIL = "<script>document.title='taken'</script><img src=x onerror=alert(1)>\"'><svg onload=alert(2)>"


class Tags(HTMLParser):
    """Collects what a browser would run."""

    def __init__(self):
        super().__init__()
        self.active = []

    def handle_starttag(self, tag, attrs):
        own = tag == "script" and dict(attrs).get("src", "").startswith("/static/")
        if (tag == "script" and not own) or any(name.startswith("on") for name, _ in attrs) or dict(attrs).get("style"):
            self.active.append((tag, attrs))
        if tag == "img" and dict(attrs).get("src") == "x":
            self.active.append((tag, attrs))


async def fails(event, ctx):
    async with ctx.step(EVIL):
        raise ValueError(EVIL)


def test_a_malicious_event_stays_text_on_every_page(desk_console):
    async def scenario(app, console):
        await app.send("tickets", {"text": EVIL}, key=EVIL, id=EVIL, type=EVIL, headers={"note": EVIL})
        await app.settled()
        async with console(token="the-token") as client:
            listed = await client.get("/runs")
            run = re.search(r'href="(/runs/[0-9a-f-]{36})"', listed.text).group(1)
            paths = ["/", "/runs", run, "/processors/triage", "/letters/triage", "/letters/triage/0/0", "/groups"]
            paths += [f"/topics/tickets?partition={number}" for number in (0, 1)]
            pages = {path: (await client.get(path)).text for path in paths}
            pages["plan"] = (await client.post("/letters/triage/replay", data={})).text

        assert "onerror" in pages[run]
        for path, text in pages.items():
            tags = Tags()
            tags.feed(text)
            assert tags.active == [], path

    desk_console(scenario, fails)


def test_every_page_forbids_what_it_did_not_bring(desk_console):
    async def scenario(app, console):
        async with console() as client:
            policy = (await client.get("/")).headers["content-security-policy"]

        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy

    desk_console(scenario, fails)
