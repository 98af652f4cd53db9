"""Zones and views against a dumb model: a list of entries, searched from the front at every question."""

from ipaddress import IPv4Address

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fairlead.core.dns.directory import Directory, Sight
from fairlead.core.dns.zone import Entry
from fairlead.model.dns import Verdict
from tests.core.dns.asking import told

NETWORKS = {"1": "n1", "2": "n2"}
WORDS = ("web", "Db", "api.v1", "n1", "web.n1")
SIGHTS = {
    "one": (Sight("1", "n1"),),
    "both": (Sight("1", "n1"), Sight("2", "n2")),
    "linked": (Sight("2", "n2", (("api.v1", "web"),)), Sight("1", "n1")),
}
owners = st.sampled_from(["a", "b", "c"])
networks = st.sampled_from(sorted(NETWORKS))
names = st.lists(st.sampled_from(WORDS), max_size=3, unique=True).map(tuple)
addresses = st.lists(st.integers(1, 6).map(lambda n: IPv4Address("10.0.0.0") + n), max_size=2, unique=True).map(tuple)


class Model(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.directory = Directory()
        self.entries: dict[tuple[str, str], Entry] = {}
        self.views = {title: self.directory.view(sights) for title, sights in SIGHTS.items()}

    @rule(network=networks, owner=owners, names=names, addresses=addresses)
    def put(self, network: str, owner: str, names: tuple[str, ...], addresses: tuple[IPv4Address, ...]) -> None:
        entry = Entry(owner, names, addresses, names[0] if names else "")
        self.entries[network, owner] = entry
        self.directory.put(network, NETWORKS[network], entry)

    @rule(network=networks, owner=owners)
    def drop(self, network: str, owner: str) -> None:
        self.entries.pop((network, owner), None)
        self.directory.drop(network, owner)

    @rule(title=st.sampled_from(sorted(SIGHTS)))
    def look_anew(self, title: str) -> None:
        self.views[title] = self.directory.view(SIGHTS[title])

    @invariant()
    def everybody_hears_the_truth(self) -> None:
        for title, view in self.views.items():
            for word in WORDS:
                for name in (word, word.swapcase(), f"{word}.n1", f"{word}.n2"):
                    heard = told(view.answer, name)
                    expected = self.expected(SIGHTS[title], name)
                    assert heard is Verdict.FORWARD if expected is None else set(heard) == expected, (title, name)

    def expected(self, sights: tuple[Sight, ...], name: str) -> set[str] | None:
        known = [found for sight in sights if (found := self.on_network(sight, name)) is not None]
        if not known:
            return None
        return next((found for found in known if found), set())

    def on_network(self, sight: Sight, name: str) -> set[str] | None:
        aliases = {alias.lower(): target.lower() for alias, target in sight.aliases}
        whole = self.called(sight.network, aliases.get(name.lower(), name.lower()))
        if whole is None and name.endswith(f".{sight.name}"):
            return self.called(sight.network, name.lower().removesuffix(f".{sight.name}"))
        return whole

    def called(self, network: str, name: str) -> set[str] | None:
        owners = [
            entry
            for (where, _), entry in self.entries.items()
            if where == network and name in (word.lower() for word in entry.names)
        ]
        return {str(address) for entry in owners for address in entry.addresses} if owners else None


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)
