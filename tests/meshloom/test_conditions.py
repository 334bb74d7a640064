"""What must hold before the control plane is ready, and what is said about it."""

from meshloom import worker
from meshloom.health import conditions
from watchers import kinds, standing

LAST = worker.LastPass(1.0, 0.1, 0.1, 1)


def found(observing=True, status=None, ads=conditions.Ads.OPEN):
    return conditions.conditions("folder /mesh", observing, status or worker.Status(last=LAST), ads)


def failing(several):
    return {each.name: each.reason for each in several if not each.holds}


def test_ready_is_when_sources_are_read_a_configuration_is_made_and_ads_is_open():
    assert conditions.is_ready(found())
    assert conditions.document(found()) == {
        "ready": True,
        "conditions": [
            {"name": "sources", "holds": True, "reason": "folder /mesh is read"},
            {"name": "configuration", "holds": True, "reason": "the newest configuration is served"},
            {"name": "ads", "holds": True, "reason": "ADS is open"},
        ],
    }


def test_at_the_start_all_three_say_what_they_wait_for():
    start = found(observing=False, status=worker.Status(), ads=conditions.Ads.CLOSED)
    assert failing(start) == {
        "sources": "folder /mesh is not read yet; the log says what it waits for",
        "configuration": "no configuration is compiled yet",
        "ads": "ADS is not open yet; it opens with the first configuration",
    }


def test_without_a_first_configuration_it_is_not_ready():
    first = found(status=worker.Status(fault="ValueError: broke"))
    assert failing(first) == {"configuration": "the first configuration could not be compiled; the log says why"}


def test_a_pass_that_fails_later_is_said_and_the_last_good_keeps_it_ready():
    later = found(status=worker.Status(fault="ValueError: broke", last=LAST))
    assert conditions.is_ready(later)
    assert "the last good one is served" in later[1].reason


def test_who_is_stopping_is_not_ready():
    assert failing(found(ads=conditions.Ads.STOPPING)) == {"ads": "the control plane is stopping"}


MESHES = next(kind for kind in kinds.FOLLOWED if kind.name == "Mesh")
NAME = "meshes.servicemesh.oci.oracle.com"


def told(*standings):
    return [(each.name, each.holds, each.reason) for each in conditions.followed(standings)]


def test_a_kind_that_is_not_listed_yet_keeps_the_program_from_being_ready():
    assert told(standing.Standing(MESHES)) == [(NAME, False, "it is not listed yet")]
    failing = standing.Standing(MESHES, "shop", fault="404 NotFound", since=0.0)
    why = "cannot be followed since 1970-01-01 00:00:00 UTC (404 NotFound); it is not listed yet"
    assert told(failing) == [(f"{NAME} in shop", False, why)]


def test_a_kind_that_cannot_be_followed_any_more_is_said_and_is_still_served():
    failing = standing.Standing(MESHES, is_synced=True, fault="no answer", since=60.0)
    why = "cannot be followed since 1970-01-01 00:01:00 UTC (no answer); what was seen last is served"
    assert told(failing) == [(NAME, True, why)]
    assert told(standing.Standing(MESHES, is_synced=True)) == [(NAME, True, "is followed")]


def test_of_secrets_nobody_learns_the_names_and_the_worst_is_told():
    good = standing.Standing(kinds.SECRET, "shop", is_synced=True)
    bad = standing.Standing(kinds.SECRET, "pets", is_synced=True, fault="403 Forbidden", since=60.0)
    ((name, holds, why),) = told(good, bad, good)
    assert (name, holds) == ("secrets", True)
    assert "403" in why
