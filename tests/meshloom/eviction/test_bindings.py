"""The binding of a pod is the one that injection would choose."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.problems import Ref
from meshloom.eviction import bindings
from meshloom.injector import contract, decision
from meshloom.injector.facts import Binding, Facts
from meshloom.injector.pods import Pod

LABELS = st.frozensets(st.tuples(st.sampled_from("abc"), st.sampled_from("12")), max_size=3)
PAIRS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"))


@settings(max_examples=200)
@given(st.lists(LABELS.filter(bool), max_size=5), PAIRS)
def test_the_first_that_fits_binds_a_pod(several, labels):
    known = [
        Binding(Ref("VirtualDeploymentBinding", "shop", str(number)), Ref("VirtualDeployment", "shop", "v"), each)
        for number, each in enumerate(several)
    ]
    found = bindings.bound(bindings.filed(known), labels)
    facts = Facts({"shop": {contract.LABEL: contract.ENABLED}}, {"shop": tuple(known)})
    pod = Pod({"metadata": {"name": "p", "labels": labels}, "spec": {"containers": [{"name": "app"}]}}, "shop")
    chosen = decision.decided(pod, facts)
    assert found == (chosen.binding if isinstance(chosen, decision.Chosen) else None)


def test_a_binding_without_labels_binds_nobody():
    one = Binding(Ref("VirtualDeploymentBinding", "shop", "b"), Ref("VirtualDeployment", "shop", "v"), frozenset())
    assert bindings.bound(bindings.filed([one]), {"a": "1"}) is None
