"""A gateway killed under load, again and again, by a seed: every 202 is in the log; what was sent twice shows it."""

from __future__ import annotations

import asyncio

import gateway_kills
import httpx
import pytest

pytestmark = pytest.mark.kafka
CLIENTS = 20


@pytest.mark.parametrize("seed", [1, 2])
def test_no_accepted_event_is_lost(make_desk, kafka, seed):
    """The long form, 20 seeds: python -m tests.edges.connector_table http_source"""
    ledger = gateway_kills.run(make_desk(kafka), seed)

    print(f"seed {seed}: {ledger}")
    assert ledger.kills == gateway_kills.KILLS
    assert ledger.unanswered, "nothing was cut off: the kills proved nothing"
    assert ledger.lost == 0
    assert ledger.twice <= ledger.unanswered, "only what got no answer may stand there twice"
    assert (ledger.unrecognised, ledger.strangers) == (0, 0)


def test_a_stopped_gateway_finishes_what_it_has_begun(make_desk, kafka):
    desk = make_desk(kafka)
    process = desk.run_gateway()
    accepted: set[str] = set()

    async def load() -> None:
        async def one(http: httpx.AsyncClient, number: int) -> None:
            for turn in range(1000):
                try:
                    response = await http.post(desk.url, json={"text": f"{number}-{turn}"})
                except httpx.TransportError:
                    return
                assert response.status_code == 202
                accepted.add(response.json()["id"])

        async with httpx.AsyncClient(timeout=15, limits=httpx.Limits(max_connections=CLIENTS)) as http:
            asked = [asyncio.create_task(one(http, number)) for number in range(CLIENTS)]
            while len(accepted) < 300:
                await asyncio.sleep(0.01)
            process.terminate()
            await asyncio.gather(*asked)

    asyncio.run(load())

    assert process.wait(30) == 0, desk.log(process)
    written = {record.header("ce_id").decode() for record in desk.records()}
    assert accepted <= written
