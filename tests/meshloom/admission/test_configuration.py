"""What the API server is told of the webhook."""

from mesh import resources
from meshloom.admission import configuration


def test_every_change_of_the_nine_kinds_is_asked_about() -> None:
    changes, removals = configuration.configuration("meshloom-system")["webhooks"]
    (rule,) = changes["rules"]
    assert rule["operations"] == ["CREATE", "UPDATE"]
    assert rule["resources"] == sorted(kind.plural for kind in resources.KINDS.values())
    assert removals["rules"][0]["operations"] == ["DELETE"]


def test_while_nobody_answers_changes_wait_and_removals_do_not() -> None:
    changes, removals = configuration.configuration("meshloom-system")["webhooks"]
    assert (changes["failurePolicy"], removals["failurePolicy"]) == ("Fail", "Ignore")
    assert "matchConditions" in changes, "finalizers and labels can be changed all the same"


def test_the_service_of_the_control_plane_is_asked() -> None:
    for webhook in configuration.configuration("elsewhere")["webhooks"]:
        client = webhook["clientConfig"]
        assert client == {"service": {"name": "meshloom", "namespace": "elsewhere", "path": "/validate", "port": 443}}
        assert "caBundle" not in client, "who applies this must not take away what the program keeps there"
