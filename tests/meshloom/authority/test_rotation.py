"""The machine of a rotation: what it waits for, what it never does, and where it always ends."""

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshloom.identity.authority import issue, keys, rotation
from meshloom.identity.authority.rotation import BUILT_IN, DAY, YEAR, Facts, Move, Policy, Signer, Stage, State
from tests.meshloom.authority.worlds import START

POLICY = Policy(root_life=YEAR)
YES, NO = Facts(lambda: True, lambda: True), Facts(lambda: False, lambda: False)


@functools.cache
def signer(number: int = 0, origin: str = BUILT_IN) -> Signer:
    root = issue.root(keys.generated(), "main.shop.mesh", YEAR, START + number)
    return Signer(origin, (root.certificate,), root)


FIRST, SECOND = signer(0), signer(1)
STEADY = rotation.first(FIRST, START, POLICY)
SPREADING = rotation.begun(STEADY, SECOND, START + 100)
REPLACING = rotation.signing(SPREADING, START + 1000, POLICY)


def move(state: State, now: float, facts: Facts = YES, origin: str = BUILT_IN, policy: Policy = POLICY) -> Move:
    return rotation.move(state, origin, facts, now, policy)


def test_a_root_stays_for_its_part_of_its_life():
    assert move(STEADY, START + 0.79 * YEAR) is Move.STAY
    assert move(STEADY, START + 0.81 * YEAR) is Move.BEGIN


def test_a_new_root_can_be_asked_for_at_any_time():
    assert move(rotation.asked(STEADY), START) is Move.BEGIN
    assert not SPREADING.asked, "what was asked for has begun"


def test_one_rotation_ends_before_the_next_begins():
    assert move(rotation.asked(REPLACING), START + 2000) is Move.STAY


def test_a_new_root_signs_when_all_trust_it_and_not_before_its_time():
    assert move(SPREADING, START + 100 + 599) is Move.STAY
    assert move(SPREADING, START + 100 + 600, NO) is Move.STAY
    assert move(SPREADING, START + 100 + 600) is Move.SIGN


def test_a_proxy_that_never_acknowledges_holds_nobody_up_beyond_the_life_of_the_old_root():
    assert move(SPREADING, START + YEAR - 2 * DAY - 2, NO) is Move.STAY
    assert move(SPREADING, START + YEAR - 2 * DAY, NO) is Move.SIGN


def test_an_old_root_is_trusted_until_its_certificates_have_expired_and_all_hold_new_ones():
    over = START + 1000 + DAY + 600
    assert move(REPLACING, over - 1) is Move.STAY
    assert move(REPLACING, over, NO) is Move.STAY
    assert move(REPLACING, over) is Move.DROP
    assert rotation.dropped(REPLACING, YES, over).trusted == SECOND.roots


def test_an_old_root_that_has_expired_itself_is_not_waited_for():
    assert move(REPLACING, issue.ends(FIRST.roots[0]), NO) is Move.DROP


def test_certificates_that_once_lived_longer_count_with_their_whole_life():
    long = Policy(leaf_life=20 * DAY, root_life=YEAR)
    grown = rotation.lengthened(STEADY, long)
    assert move(STEADY, START, policy=long) is Move.LENGTHEN
    assert move(grown, START, policy=long) is Move.STAY
    replacing = rotation.signing(rotation.begun(grown, SECOND, START), START, POLICY)
    assert [each.until for each in replacing.outgoing] == [START + 20 * DAY + 600]


def test_who_trusts_the_old_root_is_shown_proof_of_the_new_for_as_long_as_the_old_is_trusted():
    crossed = issue.Issuer(SECOND.roots[0], SECOND.issuer.key, (issue.cross_signed(FIRST.issuer, SECOND.roots[0]),))
    replacing = rotation.signing(rotation.begun(STEADY, Signer(BUILT_IN, SECOND.roots, crossed), START), START, POLICY)
    assert replacing.signer.issuer.chain
    assert not rotation.dropped(replacing, YES, START + YEAR / 2).signer.issuer.chain


def test_another_authority_that_is_given_begins_at_once_and_goes_through_the_same_stages():
    given_one = signer(2, "given")
    assert move(STEADY, START, origin="given") is Move.BEGIN
    spreading = rotation.begun(STEADY, given_one, START)
    assert move(spreading, START + 600, NO, "given") is Move.STAY
    assert move(spreading, START + 600, YES, "given") is Move.SIGN
    assert {*spreading.trusted} == {*FIRST.roots, *given_one.roots}


def test_an_authority_that_is_given_and_taken_back_before_it_signed_is_not_trusted_any_more():
    spreading = rotation.begun(STEADY, signer(2, "given"), START)
    assert move(spreading, START + 9999, origin=BUILT_IN) is Move.CANCEL
    assert rotation.cancelled(spreading).trusted == FIRST.roots


def test_a_new_intermediate_under_a_trusted_root_waits_for_nobody_to_trust_it():
    given_one, renewed = signer(2, "given"), signer(2, "given")
    state = rotation.first(given_one, START, POLICY)
    spreading = rotation.begun(state, Signer("renewed", renewed.roots, renewed.issuer), START + YEAR / 3)
    assert move(spreading, START + YEAR / 3, YES, "renewed") is Move.SIGN
    assert rotation.signing(spreading, START, POLICY).outgoing == ()


def test_an_authority_known_only_by_its_roots_signs_nothing_until_it_is_given_again():
    lost = Signer("given", signer(2).roots, None)
    state = rotation.first(lost, START, POLICY)
    assert move(state, START, origin="given") is Move.STAY
    assert rotation.known(state, [signer(2, "given")]).signer.issuer
    assert rotation.known(state, []) is state


def test_what_is_trusted_is_in_one_order():
    other_way = rotation.begun(rotation.first(SECOND, START, POLICY), FIRST, START)
    assert other_way.trusted == SPREADING.trusted


@pytest.mark.parametrize(
    ("given_policy", "words"),
    [
        ({"leaf_life": 299}, "certificates must live at least 300 s, not 299 s"),
        ({"root_life": 10 * DAY}, "let roots live longer"),
        ({"rotate_at": 1.0}, "let roots live longer"),
    ],
)
def test_a_policy_that_cannot_work_is_refused(given_policy, words):
    with pytest.raises(ValueError, match=words):
        Policy(**given_policy)


def test_it_says_when_time_alone_may_change_something():
    assert rotation.due(STEADY, START, POLICY, 5) == pytest.approx(0.8 * YEAR, rel=0.01)
    assert rotation.due(SPREADING, START + 200, POLICY, 5) == 500
    assert rotation.due(SPREADING, START + 900, POLICY, 5) == 5, "it waits for acknowledgements"
    assert rotation.due(REPLACING, START + 1000, POLICY, 5) == DAY + 600
    assert rotation.due(REPLACING, START + 2 * DAY, POLICY, 5) == 5


def after(state: State, found: Move, now: float, facts: Facts, origin: str) -> State:
    match found:
        case Move.BEGIN:
            return rotation.begun(state, signer(int(now - START), origin), now)
        case Move.CANCEL:
            return rotation.cancelled(state)
        case Move.SIGN:
            return rotation.signing(state, now, POLICY)
        case Move.DROP:
            return rotation.dropped(state, facts, now)
        case Move.LENGTHEN:
            return rotation.lengthened(state, POLICY)
        case Move.STAY:
            return state


STEPS = st.lists(
    st.tuples(st.sampled_from([60, 3600, DAY, 30 * DAY]), st.booleans(), st.sampled_from([BUILT_IN, "a", "b"])),
    max_size=25,
)


@given(STEPS)
def test_nothing_signs_that_was_not_trusted_before_and_nothing_goes_that_may_be_in_use(steps):
    state, now = STEADY, START
    in_use: dict[object, float] = {}
    for seconds, is_willing, origin in steps:
        now += seconds
        facts = YES if is_willing else NO
        for _ in range(5):
            before, found = state, move(state, now, facts, origin)
            state = after(state, found, now, facts, origin)
            if found is Move.SIGN:
                assert {*state.signer.roots} <= {*before.trusted}
            assert {*state.signer.roots} <= {*state.trusted}
            assert all(root in state.trusted for root, end in in_use.items() if end > now)
            for root in state.signer.roots:
                in_use[root] = min(now + POLICY.leaf_life, issue.ends(root))


@given(STEPS)
def test_left_in_peace_it_comes_to_rest_within_days(steps):
    state, now, rested = STEADY, START, []
    for seconds, is_willing, origin in (*steps, *((DAY, True, BUILT_IN) for _ in range(8))):
        now += seconds
        facts = YES if is_willing else NO
        for _ in range(5):
            state = after(state, move(state, now, facts, origin), now, facts, origin)
        rested.append(rotation.stage(state) is Stage.STEADY and state.signer.origin == BUILT_IN)
    assert any(rested[-8:]), "at some moment of the last days, in which perhaps the next has begun"
