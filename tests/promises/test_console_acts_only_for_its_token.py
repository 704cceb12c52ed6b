"""On loopback looking is free; acting needs the token and a form of the console's own; elsewhere all of it does."""

import asyncio
import re

EVERYTHING = {"sure": "yes"}


async def fails(event, ctx):
    raise ValueError("no such account")


async def one_letter(app):
    await app.send("tickets", {"text": "help"}, key="bob")
    await app.settled()
    assert len(app.dead_letters("triage")) == 1


def replayed(app):
    return app.records("desk.triage.replay")


def test_without_the_token_nothing_is_done(desk_console):
    async def scenario(app, console):
        await one_letter(app)
        async with console() as stranger, console(token="a-guess") as guesser:
            refused = [await one.post("/letters/triage/replay", data=EVERYTHING) for one in (stranger, guesser)]

        assert [answer.status_code for answer in refused] == [403, 403]
        assert replayed(app) == []

    desk_console(scenario, fails)


def test_a_browser_needs_the_cookie_and_the_proof_of_a_form(desk_console):
    async def scenario(app, console):
        await one_letter(app)
        async with console() as browser:
            entered = await browser.get("/?token=the-token")
            assert entered.status_code == 303
            cookie = entered.headers["set-cookie"].lower()
            assert "httponly" in cookie
            assert "samesite=strict" in cookie
            assert "token" not in entered.headers["location"]

            forged = await browser.post("/letters/triage/replay", data=EVERYTHING)
            assert forged.status_code == 403
            inbox = await browser.get("/letters/triage")
            proof = re.search(r'name="proof" value="(\w+)"', inbox.text).group(1)
            elsewhere = await browser.post(
                "/letters/triage/replay", data={**EVERYTHING, "proof": proof}, headers={"sec-fetch-site": "cross-site"}
            )
            assert elsewhere.status_code == 403
            assert replayed(app) == []

            done = await browser.post("/letters/triage/replay", data={**EVERYTHING, "proof": proof})
            assert done.status_code == 303
            await asyncio.sleep(5)  # virtual: what was begun has its turn
            await app.settled()
            assert len(replayed(app)) == 1

    desk_console(scenario, fails)


def test_a_plan_is_shown_before_anything_is_done(desk_console):
    async def scenario(app, console):
        await one_letter(app)
        async with console(token="the-token") as operator:
            plan = await operator.post("/letters/triage/replay", data={})
            assert "Nothing is done yet" in plan.text
            assert "Replay 1 entry" in plan.text
            assert replayed(app) == []

    desk_console(scenario, fails)


def test_what_another_operator_replayed_meanwhile_is_not_replayed_again(desk_console):
    broken = True

    async def mended_later(event, ctx):
        if broken:
            raise ValueError("no such account")

    async def scenario(app, console):
        nonlocal broken
        await one_letter(app)
        broken = False
        async with console(token="the-token") as one, console(token="the-token") as other:
            planned = await other.post("/letters/triage/replay", data={})
            assert "Replay 1 entry" in planned.text
            await one.post("/letters/triage/replay", data=EVERYTHING)
            await asyncio.sleep(5)
            await app.settled()
            late = await other.post("/letters/triage/replay", data=EVERYTHING)
            await asyncio.sleep(5)
            await app.settled()
            assert "0 replayed" in (await other.get(late.headers["location"])).text

        assert len(replayed(app)) == 1

    desk_console(scenario, mended_later)


def test_bound_elsewhere_looking_needs_the_token_too(desk_console):
    async def scenario(app, console):
        async with console() as stranger, console(token="the-token") as operator:
            assert (await stranger.get("/runs")).status_code == 403
            assert (await stranger.get("/live/figures")).status_code == 403
            assert (await operator.get("/runs")).status_code == 200

    desk_console(scenario, fails, open_to_look=False)


def test_a_foreign_name_that_points_at_this_machine_is_refused(desk_console):
    async def scenario(app, console):
        async with console(host="attacker.example") as rebound:
            assert (await rebound.get("/runs")).status_code == 400

    desk_console(scenario, fails)
