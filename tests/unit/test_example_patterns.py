"""The patterns of `examples/`: fan-out and fan-in, a pipeline, a human approval, a saga; each on the test kit."""

from __future__ import annotations

from pathlib import Path

from penstock.testing import run_topology

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_all_experts_are_heard_before_a_claim_is_decided(tmp_path):
    async def scenario(app):
        for claim in ("roof", "suspicious fire"):
            await app.send("claims.new", {"claim": claim}, key=claim)
        await app.settled()
        decided = {event.data["claim"]: event.data["granted"] for event in app.events("claims.decided")}
        assert decided == {"roof": True, "suspicious fire": False}
        assert len(app.events("claims.decided")) == 2, "each decided once"
        assert len(app.events("claims.opinions")) == 6

    run_topology(EXAMPLES / "fan_out" / "topology.yaml", scenario, workers=2)


def test_a_pipeline_hands_on_and_rejects_what_is_nothing():
    async def scenario(app):
        await app.send("notes.raw", {"text": "  URGENT:  the boiler   is leaking again "}, key="a")
        await app.send("notes.raw", {"text": "   "}, key="b")
        await app.settled()
        (filed,) = app.events("notes.filed")
        assert filed.data["drawer"] == "urgent"
        assert filed.data["summary"] == "URGENT: the boiler is leaking"
        assert [letter.header("penstock-reason") for letter in app.dead_letters("clean")] == [b"rejected"]

    run_topology(EXAMPLES / "pipeline" / "topology.yaml", scenario)


def test_a_refund_waits_for_a_person():
    async def scenario(app):
        await app.send("refunds.asked", {"refund": "r1", "amount": 20}, key="r1")
        await app.send("refunds.asked", {"refund": "r2", "amount": 900}, key="r2")
        await app.send("refunds.asked", {"refund": "r3", "amount": 901}, key="r3")
        await app.settled()
        assert [event.data["refund"] for event in app.events("refunds.paid")] == ["r1"]
        proposed = {event.data["refund"]: event.data for event in app.events("refunds.proposed")}
        await app.send("refunds.answered", {**proposed["r2"], "approved": True, "by": "ann"}, key="r2")
        await app.send("refunds.answered", {**proposed["r3"], "approved": False, "by": "ann"}, key="r3")
        await app.settled()
        assert sorted(event.data["refund"] for event in app.events("refunds.paid")) == ["r1", "r2"]

    run_topology(EXAMPLES / "approval" / "topology.yaml", scenario)


def test_a_saga_undoes_what_cannot_be_finished():
    async def scenario(app):
        await app.send("trips.asked", {"trip": "t1", "city": "Oslo"}, key="t1")
        await app.send("trips.asked", {"trip": "t2", "city": "Atlantis"}, key="t2")
        await app.settled()
        assert [event.data["trip"] for event in app.events("trips.booked")] == ["t1"]
        (failed,) = app.events("trips.failed")
        flights = {event.data["trip"]: event.data["flight"] for event in app.events("flights.booked")}
        assert failed.data == {"trip": "t2", "given_back": flights["t2"], "why": "no hotel has a room"}

    run_topology(EXAMPLES / "saga" / "topology.yaml", scenario)
