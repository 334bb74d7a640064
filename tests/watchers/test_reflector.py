"""Whatever a server says in whatever order, what the reflector told adds up to what is there."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchers import reflector
from watchers.reflector import Complete, Fault, Gone, Here, Page, Watch

NAMES = "abcd"
GONE = Fault(410, "Expired", "too old resource version")
SILENT = Fault(0, "Unreachable", "no answer")


def written(name, version, value="1"):
    return {"metadata": {"name": name, "namespace": "shop", "resourceVersion": str(version)}, "value": value}


def page(*items, version="1", token=""):
    return {"metadata": {"resourceVersion": version, "continue": token}, "items": list(items)}


def event(what, name, version, value="1"):
    return {"type": what, "object": written(name, version, value)}


def listed(*names, version="1"):
    """A reflector that has listed these."""
    made = reflector.Reflector()
    made.listed(page(*(written(name, 1) for name in names), version=version))
    return made


# ---------------------------------------------------------------------------- one step at a time


def test_the_first_request_is_the_first_page():
    assert reflector.Reflector().request == Page("", reflector.PAGE)


def test_a_list_is_read_page_by_page_and_then_watched_from_its_version():
    made = reflector.Reflector()
    assert made.listed(page(written("a", 1), version="7", token="t")) == (Here(("shop", "a"), written("a", 1)),)
    assert made.request == Page("t", reflector.PAGE)
    assert made.listed(page(written("b", 1), version="7"))[-1] == Complete()
    assert made.request == Watch("7")


def test_an_empty_list_that_go_writes_as_null_is_a_list():
    assert reflector.Reflector().listed({"metadata": {"resourceVersion": "3"}, "items": None}) == (Complete(),)


def test_a_watch_goes_on_from_the_last_event_or_bookmark():
    made = listed()
    made.told(event("ADDED", "a", 5))
    made.closed(60.0, 1)
    assert made.request == Watch("5")
    assert made.told({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}) == ()
    made.closed(60.0, 1)
    assert made.request == Watch("9")


def test_a_connection_that_breaks_off_costs_no_new_list():
    made = listed("a", version="4")
    made.failed(SILENT, 20.0, 3)
    assert made.request == Watch("4")


@pytest.mark.parametrize("fault", [GONE, Fault(404, "NotFound", ""), Fault(400, "BadRequest", "")])
def test_a_version_that_is_of_no_use_any_more_costs_a_list(fault):
    made = listed("a", version="4")
    made.failed(fault)
    assert made.request == Page("", reflector.PAGE)


@pytest.mark.parametrize("status", [0, 401, 403, 429, 500, 503])
def test_what_passes_leaves_the_watch_where_it_was(status):
    made = listed("a", version="4")
    made.failed(Fault(status, "", ""))
    assert made.request == Watch("4")


def test_410_within_the_watch_is_an_event_and_costs_a_list():
    made = listed("a")
    (fault,) = made.told({"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}})
    assert fault == Fault(410, "Expired", "too old")
    made.failed(fault, 1.0, 1)
    assert made.request == Page("", reflector.PAGE)


def test_what_a_new_list_lacks_is_gone():
    made = listed("a", "b")
    made.failed(GONE)
    assert made.listed(page(written("b", 5), version="6")) == (
        Here(("shop", "b"), written("b", 5)),
        Gone(("shop", "a")),
        Complete(),
    )


def test_a_list_whose_token_expires_is_asked_for_in_one_piece():
    made = reflector.Reflector()
    made.listed(page(written("a", 1), token="t"))
    made.failed(GONE)
    assert made.request == Page("", 0)
    made.listed(page(written("a", 1)))
    made.failed(GONE)
    assert made.request == Page("", reflector.PAGE)


def test_a_page_that_was_not_answered_is_asked_for_again():
    made = reflector.Reflector()
    made.listed(page(written("a", 1), token="t"))
    made.failed(SILENT)
    assert made.request == Page("t", reflector.PAGE)


def test_a_watch_that_told_nothing_for_minutes_is_not_trusted():
    made = listed("a")
    made.closed(300.0, 0)
    assert made.request == Page("", reflector.PAGE)
    made = listed("a")
    made.failed(SILENT, 300.0, 0)
    assert made.request == Page("", reflector.PAGE)


def test_who_doubts_that_something_is_gone_takes_it_back_until_a_list_says_so():
    made = listed("a", "b")
    assert made.told(event("DELETED", "a", 5)) == (Gone(("shop", "a")),)
    made.doubt([("shop", "a")])
    assert made.request == Page("", reflector.PAGE)
    assert made.listed(page(version="9")) == (Gone(("shop", "a")), Gone(("shop", "b")), Complete())


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"metadata": {}}, {"metadata": {"resourceVersion": "1"}}])
def test_an_answer_that_is_no_list_is_a_fault(answer):
    (fault,) = reflector.Reflector().listed(answer)
    assert isinstance(fault, Fault)


@pytest.mark.parametrize("line", [None, [], {"type": "ADDED"}, {"type": "ADDED", "object": {}}, {"object": {}}])
def test_a_line_that_is_no_event_is_a_fault(line):
    (fault,) = listed().told(line)
    assert isinstance(fault, Fault)


def test_pauses_double_up_to_half_a_minute_with_full_jitter():
    made = reflector.Reflector()
    assert made.pause(0.9) == 0
    longest = []
    for _ in range(12):
        made.failed(SILENT)
        longest.append(made.pause(1.0))
        assert made.pause(0.0) == 0
    assert longest[:4] == [0.5, 1.0, 2.0, 4.0]
    assert longest[-1] == reflector.LONGEST


def test_a_server_that_says_how_long_to_wait_is_believed():
    made = reflector.Reflector()
    made.failed(Fault(429, "TooManyRequests", "", retry_after=7.0))
    assert 7.0 <= made.pause(0.5) <= 7.5


def test_an_answer_ends_the_pauses():
    made = reflector.Reflector()
    made.failed(Fault(429, "TooManyRequests", "", retry_after=7.0))
    made.listed(page())
    assert made.pause(1.0) == 0
    made.failed(SILENT)
    made.told(event("ADDED", "a", 5))
    assert made.pause(1.0) == 0


def test_after_a_fault_the_pages_of_a_list_follow_each_other_at_once():
    made = reflector.Reflector()
    for _ in range(6):
        made.failed(SILENT)
    made.listed(page(written("a", 1), token="t"))
    assert made.pause(1.0) == 0


def test_lists_whose_watches_are_refused_at_once_are_not_asked_for_again_and_again():
    made = reflector.Reflector()
    longest = []
    for _ in range(4):
        made.listed(page(written("a", 1), version="7"))
        assert made.pause(1.0) == 0, "a watch follows its list at once"
        made.failed(GONE)
        longest.append(made.pause(1.0))
    assert longest == [0.5, 1.0, 2.0, 4.0]
    made.listed(page(written("a", 1), version="7"))
    made.told(event("ADDED", "b", 8))
    made.failed(GONE)
    assert made.pause(1.0) == 0.5


def test_pages_that_work_and_then_fail_do_not_end_the_pauses():
    made = reflector.Reflector()
    for _ in range(3):
        made.listed(page(written("a", 1), token="t"))
        made.failed(GONE)
    assert made.pause(1.0) == 2.0


def test_a_watch_that_ends_at_once_is_as_good_as_refused():
    made = listed()
    made.closed(0.1, 0)
    made.closed(0.1, 0)
    assert made.pause(1.0) == 1.0
    made.told(event("ADDED", "a", 5))
    made.closed(0.1, 1)
    assert made.pause(1.0) == 0.5, "nor is one begun again at once that told something"


def test_nobody_is_made_to_wait_for_hours():
    made = reflector.Reflector()
    made.failed(Fault(503, "ServiceUnavailable", "", retry_after=1e6))
    assert made.pause(1.0) < 150


# ---------------------------------------------------------------------------- any order


@dataclass
class Server:
    """An API server of one kind: objects, history, and as much of it as is not compacted."""

    version: int = 1
    objects: dict[str, int] = field(default_factory=dict)
    history: list[tuple[int, str, str, int]] = field(default_factory=list)
    compacted: int = 0
    snapshots: dict[int, dict[str, int]] = field(default_factory=dict)

    def change(self, name, is_deleted):
        if is_deleted and name not in self.objects:
            return
        self.version += 1
        what = "DELETED" if is_deleted else "MODIFIED" if name in self.objects else "ADDED"
        self.history.append((self.version, what, name, self.version))
        self.objects = {key: value for key, value in self.objects.items() if key != name}
        if not is_deleted:
            self.objects[name] = self.version
        self.snapshots[self.version] = self.objects

    def page(self, token, size):
        """Answer a page; a token names the version of its list and where to go on."""
        version, start = map(int, token.split("/")) if token else (self.version, 0)
        if version < self.compacted:
            return GONE
        items = sorted(self.snapshots.get(version, {}).items())
        more = f"{version}/{start + size}" if len(items) > start + size else ""
        part = [written(name, value, str(value)) for name, value in items[start : start + size]]
        return page(*part, version=str(version), token=more)

    def events(self, version, most):
        """Answer a watch with the next events."""
        if version < self.compacted:
            return [{"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": ""}}]
        after = [one for one in self.history if one[0] > version][:most]
        return [event(what, name, at, str(value)) for at, what, name, value in after]


@dataclass
class Client:
    """What the reflector told, taken literally."""

    made: reflector.Reflector = field(default_factory=reflector.Reflector)
    seen: dict[str, int] = field(default_factory=dict)

    def take(self, told):
        for one in told:
            match one:
                case Here((_, name), document):
                    self.seen[name] = int(document["value"])
                case Gone((_, name)):
                    del self.seen[name]
                case Fault():
                    self.made.failed(one, 5.0, 1)

    def ask(self, server, size):
        """Ask once, and take at most so many objects or events of the answer."""
        match self.made.request:
            case Page(token, limit):
                answer = server.page(token, size if limit else 100)
                self.made.failed(answer) if isinstance(answer, Fault) else self.take(self.made.listed(answer))
            case Watch(version):
                for line in server.events(int(version), size):
                    self.take(self.made.told(line))
                self.made.closed(5.0, size)


steps = st.one_of(
    st.tuples(st.just("change"), st.sampled_from(NAMES), st.booleans()),
    st.tuples(st.just("ask"), st.integers(1, 3), st.none()),
    st.tuples(st.just("fail"), st.sampled_from([0, 400, 401, 403, 404, 410, 429, 500]), st.sampled_from([0.0, 300.0])),
    st.tuples(st.just("bookmark"), st.none(), st.none()),
    st.tuples(st.just("compact"), st.none(), st.none()),
)


def perform(step, server, client):
    match step:
        case "change", name, is_deleted:
            server.change(name, is_deleted)
        case "ask", size, _:
            client.ask(server, size)
        case "fail", status, lasted:
            client.made.failed(Fault(status, "", ""), lasted, 0)
        case "bookmark", _, _:
            behind = isinstance(client.made.request, Watch) and int(client.made.request.version) < server.version
            if isinstance(client.made.request, Watch) and not behind:
                client.take(client.made.told({"type": "BOOKMARK", "object": written("", server.version)}))
        case "compact", _, _:
            server.compacted = server.version


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=40))
def test_however_lists_events_and_faults_interleave_what_was_told_ends_as_what_is_there(drawn):
    server, client = Server(), Client()
    for step in drawn:
        perform(step, server, client)
    for _ in range(30):
        client.ask(server, 3)
    assert client.seen == server.objects
    assert client.made.known == len(server.objects)
