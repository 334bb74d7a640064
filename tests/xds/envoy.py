"""A model of Envoy at the other end of a stream: what it holds, warms, refuses and answers, as measured on 1.40.

It applies the good resources of a response and refuses the bad ones, whose versions end in "!". A cluster warms until
its endpoints come, changed or not, and until then no answer about clusters leaves. Routes are in force at once.
"""

import functools

from tests.xds import model
from tests.xds.model import CLUSTER, ENDPOINTS, LISTENER, ROUTES


class Envoy:
    """What survives a stream. `references` is (type, name, version) -> the resources that it names."""

    def __init__(self, references):
        self.references = references
        self.clusters, self.warming, self.endpoints, self.listeners, self.routes = {}, {}, {}, {}, {}
        self.refused = set()  # (type, name, version) that this stream's server has been told of
        self.connect(None)

    proven = True
    """Whether the version it would bring to the next stream tells which clusters it has (rules S2, S4)."""

    def connect(self, client):
        """Lose the stream, and all that is under way; `client` speaks on the next one.

        There, as here, clusters are asked for when none is warming any more.
        """
        for name in tuple(self.warming):
            self.warm(name)
        self.client = client
        self.to_server = {type_url: [] for type_url in (CLUSTER, ENDPOINTS, LISTENER, ROUTES)}
        self.deferred = []
        self.refused = set()

    @property
    def wanted(self):
        """Return the names subscribed to, of the types that are subscribed to by name."""
        routes = {name for each in self.listeners.items() for name in self.named(LISTENER, *each, ROUTES)}
        return {ENDPOINTS: {*self.clusters, *self.warming}, ROUTES: routes}

    def named(self, type_url, name, version, kind):
        return {target for known, target in self.references[type_url, name, version] if known == kind}

    def dangling(self):
        """Return the clusters that traffic is sent to and that are not there."""
        return {
            target for each in self.routes.items() for target in self.named(ROUTES, *each, CLUSTER)
        } - self.clusters.keys()

    def take(self, sent):
        """Apply a response, and answer it: now, or about clusters when they are warm."""
        before = self.wanted
        content, removed = self.content(sent)
        bad = {name for name, version in content.items() if version.endswith("!")}
        apply = {CLUSTER: self.take_clusters, ENDPOINTS: self.take_endpoints}.get(sent.type_url, self.take_others)
        good = {name: version for name, version in content.items() if name not in bad}
        changed = apply(sent.type_url, good, removed)
        self.note(sent, bad)
        self.routes = {name: version for name, version in self.routes.items() if name in self.wanted[ROUTES]}
        self.endpoints = {name: version for name, version in self.endpoints.items() if name in self.wanted[ENDPOINTS]}
        self.resubscribe(before, changed if sent.type_url == CLUSTER else set())
        answer = functools.partial(self.answer, sent, {name: content[name] for name in bad})
        if sent.type_url == CLUSTER:
            self.deferred.append(answer)
        else:
            answer()
        self.resume()

    def resume(self):
        while self.deferred and not self.warming:
            self.deferred.pop(0)()

    def warm(self, name):
        self.clusters[name] = self.warming.pop(name)

    def take_clusters(self, _type_url, good, removed):
        now = {**self.clusters, **self.warming}
        changed = {name for name, version in good.items() if now.get(name) != version}
        self.warming.update({name: good[name] for name in changed})
        for name in removed:
            self.clusters.pop(name, None)
            self.warming.pop(name, None)
        return changed

    def take_endpoints(self, _type_url, good, _removed):
        for name in good.keys() & self.wanted[ENDPOINTS]:
            self.endpoints[name] = good[name]
            if name in self.warming:
                self.warm(name)

    def take_others(self, type_url, good, removed):
        held = self.listeners if type_url == LISTENER else self.routes
        held.update(good)
        for name in removed:
            held.pop(name, None)

    def forgive(self, type_url, asked):
        """Note that the server is asked for names anew: S7, D3, they are sent whatever was said of them."""
        self.refused = {each for each in self.refused if each[0] != type_url or each[1] not in asked}

    def heard(self, type_url, refused):
        """Note what the server is told to be refused just now."""
        self.refused.update((type_url, name, version) for name, version in refused.items())


class Sotw(Envoy):
    """`versions` survive a stream, `nonces` do not."""

    def __init__(self, references):
        self.versions, self.told = {}, {}
        super().__init__(references)

    def connect(self, client):
        super().connect(client)
        self.nonces, self.listed = {}, {}

    def begin(self):
        for type_url in self.to_server:
            if type_url not in self.wanted or self.wanted[type_url]:
                self.ask(type_url)

    def ask(self, type_url, error=None, refused=(), to=None):
        names, nonce = sorted(self.wanted.get(type_url, ())), to or self.nonces.get(type_url, "")
        version = self.versions.get(type_url, "")

        def read():
            self.forgive(type_url, set(names) - self.listed.get(type_url, set()))
            self.listed[type_url] = set(names)
            self.heard(type_url, dict(refused))
            return self.client.ask(type_url, *names, nonce=nonce, version=version, error=error)

        self.to_server[type_url].append(read)

    def content(self, sent):
        content = dict(body.decode().split("@") for body in model.decoded_sotw(sent).resources)
        held = {CLUSTER: {*self.clusters, *self.warming}, LISTENER: {*self.listeners}}.get(sent.type_url, set())
        return content, held - content.keys()

    def note(self, sent, _bad):
        self.nonces[sent.type_url] = sent.nonce

    def resubscribe(self, before, rewarmed):
        now = self.wanted
        for type_url in now:
            if now[type_url] != before[type_url] or (type_url == ENDPOINTS and rewarmed):
                self.ask(type_url)  # also for a changed cluster, with the old version and nonce

    def answer(self, sent, bad):
        if not bad:
            self.versions[sent.type_url] = sent.version
        if sent.type_url == CLUSTER:
            self.told = self.told if bad else dict(self.clusters)
            self.proven = self.told == self.clusters  # what it applied of a set that it refused has no version
        self.ask(sent.type_url, complaint(bad) if bad else None, bad.items(), sent.nonce)


class Delta(Envoy):
    def begin(self):
        claims = {CLUSTER: self.clusters, ENDPOINTS: self.endpoints, LISTENER: self.listeners, ROUTES: self.routes}
        for type_url, held in claims.items():
            names = self.wanted.get(type_url, ())
            if names or type_url not in self.wanted:
                has = {name: version for name, version in held.items() if not names or name in names}
                self.ask(type_url, names, (), has)

    def ask(self, type_url, more, less, has=None):
        read = functools.partial(self.client.ask, type_url, *sorted(more), less=sorted(less), has=has)
        self.to_server[type_url].append(lambda: self.forgive(type_url, more) or read())

    def content(self, sent):
        decoded = model.decoded_delta(sent)
        return {one.name: one.version for one in decoded.resources}, set(decoded.removed_resources)

    def note(self, _sent, _bad):
        pass

    def resubscribe(self, before, _rewarmed):
        now = self.wanted
        for type_url in now:
            more, less = now[type_url] - before[type_url], before[type_url] - now[type_url]
            if more or less:
                self.ask(type_url, more, less)

    def answer(self, sent, bad):
        def read():
            self.heard(sent.type_url, bad)
            return self.client.ask(sent.type_url, nonce=sent.nonce, error=complaint(bad) if bad else None)

        self.to_server[sent.type_url].append(read)


def complaint(bad):
    words = ", ".join(f"{name}: no such filter" for name in sorted(bad))
    return model.discovery_pb2.Status(code=13, message=f"Error adding/updating {words}")
