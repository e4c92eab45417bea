"""Nodes that hang, and nodes that answer, asked side by side."""

from __future__ import annotations

import threading

import pytest

from starcluster.supervisor.asking import Asking


class Nodes:
    """Nodes that answer with their own name; those in `hung` do when they are let go."""

    def __init__(self, *hung: str) -> None:
        self.let_go = {name: threading.Event() for name in hung}
        self.asked: list[str] = []

    def ask(self, name: str) -> str:
        self.asked.append(name)
        if name in self.let_go:
            self.let_go[name].wait(60)
        if name == "broken":
            raise ValueError("nobody thought of it")
        return f"{name} answers"

    def asking(self, *, patience: float = 60.0, in_threads: bool = True) -> Asking[str, str]:
        return Asking(self.ask, key=str, not_yet=lambda name: "?", patience=patience, in_threads=in_threads)


def test_answers_come_in_the_order_of_the_questions() -> None:
    assert Nodes().asking().answers(["b", "a"]) == ["b answers", "a answers"]
    assert Nodes().asking(in_threads=False).answers(["b", "a"]) == ["b answers", "a answers"]
    assert Nodes().asking().answers([]) == []


def test_who_hangs_is_waited_for_once_and_asked_once() -> None:
    nodes = Nodes("hung")
    asking = nodes.asking(patience=0.2)
    assert asking.answers(["hung", "a"])[0] == "?"
    patient = nodes.asking()
    patient._under_way = asking._under_way
    assert patient.answers(["hung", "a"]) == ["?", "a answers"], "it is not waited for again, however patient one is"
    assert nodes.asked.count("hung") == 1
    nodes.let_go["hung"].set()
    asking._under_way["hung"].result(60)
    assert asking.answers(["hung"]) == ["hung answers"]
    assert nodes.asked.count("hung") == 1
    assert asking.answers(["hung"]) == ["hung answers"]
    assert nodes.asked.count("hung") == 2


def test_what_goes_wrong_is_raised_where_the_question_was_put() -> None:
    with pytest.raises(ValueError, match="nobody thought of it"):
        Nodes().asking().answers(["broken"])
