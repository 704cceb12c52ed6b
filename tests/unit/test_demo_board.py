"""What the live screen counts."""

from __future__ import annotations

from demo.board import Board, Look


def test_a_new_act_counts_from_nothing_and_the_peak_is_kept_within_it() -> None:
    said: list[str] = []
    board = Board("triage", said.append)
    board.restart("an act", 10)
    board.looked({"triage.1": Look(5, 6, 200), "triage.2": Look(7, 6, 200)})
    board.looked({"triage.1": Look(1, 6, 200), "triage.2": Look(0, 0, 200, up=False)})
    board.attempt("triage.1", "triage", "done", 3)
    board.attempt("answer", "answer", "done", 3)
    assert (board.in_flight, board.peak, board.counted("done"), board.counted("done", "")) == (1, 12, 1, 2)
    assert "triage.2: down" in board.line()
    board.restart("the next", 3)
    assert (board.peak, board.counted("done", ""), said) == (0, 0, ["an act", "the next"])


def test_heirs_are_those_who_finish_runs_of_the_dead_workers_partitions() -> None:
    board = Board("triage")
    board.attempt("triage.2", "triage", "done", 3)  # before the death
    board.bequeath("triage.1", {3, 4})
    board.attempt("triage.1", "triage", "done", 3)  # said before it died, heard afterwards
    board.attempt("triage.2", "triage", "done", 3)
    board.attempt("triage.2", "triage", "retried", 4)
    board.attempt("triage.2", "triage", "done", 5)
    board.attempt("answer", "answer", "done", 3)
    assert dict(board.heirs) == {"triage.2": 1}
