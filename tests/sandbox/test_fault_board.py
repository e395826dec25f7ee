from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import FaultError, Sandbox
from sandbox.fault_kinds import KINDS, UPSTREAMS
from sandbox.faults import FaultBoard
from tests.clocks import Clock
from tests.sandbox.helpers import CAMILLE, auth, generate, graph, send

NOBODY = SimpleNamespace(trait=lambda _name: "", recipients=lambda: ())


def codes(sandbox: Sandbox, count: int, **options: object) -> list[int]:
    return [send(sandbox, **options).status_code for _ in range(count)]


def test_a_fault_acts_as_often_as_it_is_told(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "status", code=503, times=2)
    assert codes(sandbox, 4) == [503, 503, 200, 200]
    assert [rule.hits for rule in sandbox.faults.rules()] == [2]


def test_a_fault_acts_until_it_is_switched_off(sandbox: Sandbox) -> None:
    fault = sandbox.fault("whatsapp", "status", code=503)
    assert codes(sandbox, 2) == [503, 503]
    assert sandbox.faults.remove("another") == 0
    assert sandbox.faults.remove(fault) == 1
    assert codes(sandbox, 1) == [200]


def test_all_faults_can_be_switched_off_at_once(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "status", code=503)
    sandbox.fault("gemini", "status", code=503)
    sandbox.clear_faults()
    assert (codes(sandbox, 1), generate(sandbox, "x").status_code) == ([200], 200)


def test_the_first_fault_that_fits_acts_and_the_next_after_it(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "status", code=500, times=1)
    sandbox.fault("any", "status", code=503, times=1)
    assert codes(sandbox, 3) == [500, 503, 200]


def test_a_fault_concerns_its_upstream_only(sandbox: Sandbox) -> None:
    sandbox.fault("gemini", "status", code=503)
    assert (codes(sandbox, 1), generate(sandbox, "x").status_code, auth(sandbox).status_code) == ([200], 503, 401)


def test_a_fault_can_be_for_one_customer_however_written(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "status", code=503, match={"to": "33 6 00 00 00 01"})
    assert send(sandbox, f"+{CAMILLE}").status_code == 503
    assert send(sandbox, "+33600000002").status_code == 200
    assert graph(sandbox, "GET", "2001").status_code == 200


def test_a_fault_can_be_for_one_user_id(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "status", code=503, match={"to": "FR.3"})
    assert send(sandbox, to=None, recipient="FR.3").status_code == 503
    assert send(sandbox, to=None, recipient="FR.4").status_code == 200


def test_a_fault_can_be_for_a_path_a_method_or_a_body(sandbox: Sandbox) -> None:
    sandbox.fault("any", "status", code=501, match={"path": r"/\d+\?fields=", "method": "GET"})
    sandbox.fault("gemini", "status", code=503, match={"body": "horaires?"})
    assert graph(sandbox, "GET", "2001", params={"fields": "id"}).status_code == 501
    assert graph(sandbox, "GET", "2001").status_code == 200
    assert generate(sandbox, "Quels horaires ?").status_code == 503
    assert generate(sandbox, "Quel prix ?").status_code == 200


def test_a_fault_can_have_its_time() -> None:
    clock = Clock(100)
    board = FaultBoard(seed=0, clock=clock)
    board.add("whatsapp", "hang", schedule={"after": 10, "for": 5})
    acts = []
    for clock.now in (100, 109, 110, 114, 115, 200):
        acts.append(board.pick("whatsapp", NOBODY) is not None)
    assert acts == [False, False, True, True, False, False]


def test_the_same_seed_makes_the_same_choices() -> None:
    def choices(seed: int) -> list[bool]:
        board = FaultBoard(seed)
        board.add("whatsapp", "hang", probability=0.5)
        return [board.pick("whatsapp", NOBODY) is not None for _ in range(200)]

    assert choices(7) == choices(7) != choices(8)
    assert 60 < sum(choices(7)) < 140


def test_nothing_acts_with_probability_zero_and_everything_with_one() -> None:
    board = FaultBoard(0)
    board.add("whatsapp", "hang", probability=0)
    assert not any(board.pick("whatsapp", NOBODY) for _ in range(100))
    board.add("whatsapp", "slow", probability=1)
    assert all(board.pick("whatsapp", NOBODY) for _ in range(100))


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_every_fault_can_be_switched_on_for_the_upstreams_it_names(upstream: str) -> None:
    required = {"redirect": {"location": "http://x"}, "graph_error": {"code": 4}, "shape": {"name": "text"}}
    board = FaultBoard(0)
    for name, kind in KINDS.items():
        if upstream in kind.upstreams:
            board.add(upstream, name, **required.get(name, {}))
        else:
            with pytest.raises(FaultError):
                board.add(upstream, name, **required.get(name, {}))


@pytest.mark.parametrize(
    ("upstream", "fault", "settings"),
    [
        ("whatsap", "hang", {}),
        ("whatsapp", "hnag", {}),
        ("whatsapp", "shape", {"name": "text"}),
        ("webhook", "hang", {}),
        ("whatsapp", "hang", {"second": 1}),
        ("whatsapp", "hang", {"seconds": -1}),
        ("whatsapp", "hang", {"seconds": "long"}),
        ("whatsapp", "hang", {"seconds": True}),
        ("whatsapp", "hang", {"seconds": float("inf")}),
        ("whatsapp", "hang", {"seconds": float("nan")}),
        ("whatsapp", "retry_after", {"value": "1\r\nX-Injected: 1"}),
        ("whatsapp", "status", {"code": 1.5}),
        ("whatsapp", "status", {"process": 1}),
        ("whatsapp", "status", {"body": "xml"}),
        ("whatsapp", "graph_error", {}),
        ("gemini", "shape", {"name": "round"}),
        ("whatsapp", "hang", {"probability": 1.1}),
        ("whatsapp", "hang", {"times": 0}),
        ("whatsapp", "hang", {"match": {"weather": "rain"}}),
        ("whatsapp", "hang", {"match": {"path": "("}}),
        ("whatsapp", "hang", {"match": ["path"]}),
        ("webhook", "drop", {"match": {"path": "x"}}),
        ("whatsapp", "hang", {"schedule": {"until": 1}}),
        ("whatsapp", "hang", {"schedule": {"for": "ever"}}),
    ],
)
def test_a_fault_that_does_not_exist_is_refused(upstream: str, fault: str, settings: dict) -> None:
    with pytest.raises(FaultError):
        FaultBoard(0).add(upstream, fault, **settings)


@given(
    st.dictionaries(
        st.sampled_from(["upstream", "fault", "seconds", "times", "match", "schedule", "probability", "code"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()) | st.just({}),
    )
    | st.text()
)
def test_any_json_is_a_fault_or_a_fault_error(content: object) -> None:
    board = FaultBoard(0)
    try:
        board.add_from_json(content)
    except FaultError:
        assert board.rules() == ()
    else:
        assert len(board.rules()) == 1
