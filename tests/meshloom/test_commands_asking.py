"""`meshloom proxies` and `meshloom config`: tables, colours aside, and exit codes."""

import datetime
import io
import pathlib

import pytest
import rich.console

from mesh.problems import Ref
from meshloom import errors
from meshloom.commands import asking, config, proxies
from meshloom.identity import claim
from meshloom.operator import client, shapes, sockets
from tests.meshloom import observed, test_operator_view
from tests.xds import model

NOW = datetime.datetime.fromtimestamp(observed.NOW, datetime.UTC)


def refusing(words: str) -> observed.Observed:
    """Return a proxy that refused a cluster in these words."""
    proxy = observed.Observed("delta")
    proxy.ask(model.CLUSTER)
    proxy.publish(model.cluster("a"), model.endpoints("a"))
    proxy.nack(model.CLUSTER, words)
    return proxy


def told(*several: observed.Observed) -> shapes.Proxies:
    return shapes.Proxies(version=shapes.VERSION, proxies=tuple(each.shown() for each in several))


def printed(renderable, width: int = 160) -> str:
    console = rich.console.Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()


def test_a_proxy_is_a_row_and_what_it_rejected_a_line_below():
    text = printed(proxies.table(told(refusing("cluster a: no such filter")), NOW))
    row = next(line for line in text.splitlines() if "delta" in line)
    assert row.split() == [
        "shop/front-v1", observed.NODE, "1.40.0", "delta", "explicit", "1m",
        "rejected", "57s", "pending", "1m", "-", "-", "-", "-", "-",
    ]  # fmt: skip
    assert f"shop/front-v1 ({observed.NODE}) rejected CDS a 57s ago: cluster a: no such filter" in text
    assert text.endswith("1 connected: 1 rejected\n")


def test_of_a_gateways_proxy_it_is_told_for_which_deployment_it_runs():
    door = claim.gateway("shop/door", "0.0.0.0")
    pod = door._replace(deployment=Ref("IngressGatewayDeployment", "edge", "far"))
    outside, inside = (observed.Observed("delta", proxy=one) for one in (door, pod))
    assert (outside.shown().deployment, inside.shown().deployment) == ("", "edge/far")
    rows = [line.split() for line in printed(proxies.table(told(outside, inside), NOW)).splitlines() if "delta" in line]
    assert [row[row.index("delta") + 1 : -8] for row in rows] == [["gateway"], ["gateway", "edge/far"]]


def test_what_is_held_back_is_a_line_below_with_what_it_waits_for():
    text = printed(proxies.table(told(test_operator_view.held_back(observed.Observed("delta"))), NOW))
    assert f"shop/front-v1 ({observed.NODE}): RDS l waits until CDS b is accepted, for 7s" in text
    assert f"shop/front-v1 ({observed.NODE}): CDS a stays until RDS l no longer needs it, for 7s" in text


def test_nobody_connected_is_said():
    assert printed(proxies.table(told(), NOW)) == "no proxies are connected\n"


def test_words_of_a_proxy_are_neither_markup_nor_commands_to_the_terminal():
    hostile = "[bold red]\x1b[2J\x1b]0;owned\x07[/] :smile:"
    document = told(refusing(hostile))
    raw = document.model_copy(
        update={"proxies": tuple(each.model_copy(update={"node": hostile}) for each in document.proxies)}
    )
    text = printed(proxies.table(raw, NOW), width=400)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert r"[bold red]\x1b[2J\x1b]0;owned\x07[/] :smile:" in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_narrow_terminal_folds_and_cuts_nothing_off(width):
    text = printed(proxies.table(told(refusing("no")), NOW), width=width)
    joined = "".join(line.strip() for line in text.splitlines())
    assert "…" not in joined


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ((), 0),
        (("synced", "unused"), 0),
        (("synced", "pending"), 3),
        (("missing",), 3),
        (("extra",), 3),
        (("pending", "rejected"), 1),
    ],
)
def test_the_exit_code_says_the_worst(states, code):
    assert asking.exit_code(states) == code


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0s"), (59, "59s"), (60, "1m"), (7199, "1h"), (200000, "2d"), (-5, "0s")]
)
def test_how_long_ago_is_one_short_word(seconds, said):
    assert asking.ago(NOW - datetime.timedelta(seconds=seconds), NOW) == said


@pytest.mark.parametrize("name", ["pets", "", "/pets", "shop/", "a//b"])
def test_what_cannot_be_a_proxy_is_refused(name):
    with pytest.raises(errors.UserError, match="is not a proxy; write NAMESPACE/NAME"):
        asking.name(name)


def test_the_comparison_is_a_table_and_a_line_that_sums_up():
    proxy = refusing("no such filter")
    found = shapes.Config(proxy=proxy.shown(), resources=tuple(proxy.compared().values()))
    lines = [line.split() for line in printed(config.table(found)).splitlines() if line.strip()]
    assert lines[0] == ["VirtualDeployment", "shop/front-v1,", "node", f"{observed.NODE},", "delta"]
    assert ["CDS", "a", "rejected", "1", "1", "no", "such", "filter"] in lines
    assert ["EDS", "a", "missing", "1"] in lines
    assert lines[-1] == ["2", "resources:", "1", "missing,", "1", "rejected"]


# ---------------------------------------------------------------------------- watching


class Looks:
    """Answers one after the other, then Ctrl-C."""

    def __init__(self, *answers):
        self.answers = iter(answers)
        self.pauses = 0

    def look(self):
        answer = next(self.answers, KeyboardInterrupt())
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def pause(self, seconds):
        assert seconds == proxies.LOOK_SECONDS
        self.pauses += 1


def watched(looks: Looks, terminal: str = "xterm") -> str:
    """Return what is shown at a terminal of this type, or in a file where it is none."""
    environment = {"TERM": terminal}
    console = rich.console.Console(file=io.StringIO(), width=160, force_terminal=bool(terminal), _environ=environment)
    proxies.watched(console, looks.look, looks.pause)
    return console.file.getvalue()


def test_watching_shows_the_newest_and_ctrl_c_ends_it_with_the_cursor_back():
    looks = Looks(told(), told(refusing("no")))
    text = watched(looks)
    assert text.index("no proxies are connected") < text.index("1 connected: 1 rejected")
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l"), "the cursor is shown again"
    assert looks.pauses == 2


@pytest.mark.parametrize("terminal", ["dumb", ""])
def test_watching_shows_one_table_below_the_other_where_nothing_can_be_replaced(terminal):
    text = watched(Looks(told(), told(refusing("no"))), terminal)
    assert text.index("no proxies are connected") < text.index("1 connected: 1 rejected")
    assert "\x1b[?25l" not in text


def test_watching_goes_on_while_the_control_plane_is_away():
    text = watched(Looks(told(), client.UnreachableError("no control plane answers"), told(refusing("no"))))
    assert text.index("no control plane answers") < text.index("1 connected")


def test_watching_nobody_is_refused_at_once():
    with pytest.raises(errors.UserError, match="no control plane answers"):
        watched(Looks(client.UnreachableError("no control plane answers")))


def test_watching_is_a_table_and_nothing_else():
    with pytest.raises(errors.UserError, match="--watch shows a table; leave out -o json"):
        proxies.run(None, proxies.choices.Listing.JSON, client.address("/nowhere"), watch=True)


# ---------------------------------------------------------------------------- where to ask


def test_a_control_plane_that_does_not_run_is_said_in_one_line(tmp_path):
    with pytest.raises(errors.UserError) as fault:
        proxies.run(None, proxies.choices.Listing.TABLE, client.address(str(tmp_path / "a.sock")), watch=False)
    assert str(fault.value) == (
        f"no control plane answers on {tmp_path}/a.sock; start one with `meshloom serve`, or name the socket of one that "
        "runs with --operator-socket"
    )


def test_there_is_nobody_to_ask_at_off():
    with pytest.raises(errors.UserError, match="there is nobody to ask at `off`"):
        client.address("off")


def test_a_named_socket_is_taken_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(client.address("a.sock")) == str(client.address(f"unix:{tmp_path}/a.sock")) == f"unix:{tmp_path}/a.sock"


def test_a_path_that_is_too_long_for_a_socket_is_refused():
    with pytest.raises(errors.UserError, match=r"--operator-socket: .* is not a unix socket"):
        client.address("/" + "a" * 120)


def test_by_default_it_is_in_the_runtime_directory_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert sockets.default_folder() == tmp_path / "meshloom"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert sockets.default_folder().parent == pathlib.Path("/tmp")


@pytest.mark.parametrize("spoil", ["mode", "link", "file"])
def test_a_default_folder_that_others_could_have_made_is_refused(tmp_path, monkeypatch, spoil):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    folder = tmp_path / "meshloom"
    if spoil == "mode":
        folder.mkdir()
        folder.chmod(0o755)
    elif spoil == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.write_text("")
    with pytest.raises(errors.UserError, match="is not a folder that only this user can open; remove it, or name"):
        sockets.address("")


def test_who_serves_makes_the_default_folder_and_who_asks_does_not(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    sockets.address("")
    assert not list(tmp_path.iterdir())
    sockets.prepared("")
    assert (tmp_path / "meshloom").stat().st_mode & 0o777 == 0o700


def test_a_default_folder_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sockets, "default_folder", lambda: tmp_path / "none" / "meshloom")
    with pytest.raises(
        errors.UserError, match="none/meshloom cannot be made: No such file or directory; name a socket"
    ):
        sockets.prepared("")


def test_a_folder_that_somebody_puts_there_at_the_last_moment_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    make = pathlib.Path.mkdir
    monkeypatch.setattr(pathlib.Path, "mkdir", lambda self, **given: (make(self), self.chmod(0o777)))
    with pytest.raises(errors.UserError, match="is not a folder that only this user can open"):
        sockets.prepared("")


def test_a_default_folder_of_our_own_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "meshloom").mkdir(mode=0o700)
    assert str(sockets.address("")) == f"unix:{tmp_path}/meshloom/operator.sock"
    assert sockets.address("off") is None


@pytest.mark.parametrize("named", ["", "a.sock", "unix:/a.sock", "10.0.0.1:15016", "example.com:15016", "off"])
def test_a_token_is_sent_to_a_port_of_this_machine_alone(named):
    with pytest.raises(errors.UserError, match="a port of this machine alone"):
        client.address(named, "any.token")


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"\xff"])
def test_a_file_without_a_token_is_said_with_the_way_to_make_one(tmp_path, content):
    (tmp_path / "a.token").write_bytes(content)
    at = client.address("127.0.0.1:15016", str(tmp_path / "a.token"))
    with pytest.raises(errors.UserError, match="kubectl create token meshloom-operator"):
        client.proxies(at, None)
