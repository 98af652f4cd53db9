"""The host's own network: containers without a network namespace of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead.core.drivers.contract import Abilities, Attachment, Expected, Neighbourhood, Site
from fairlead.core.sandbox import Leg
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import NotAllowed
from fairlead.model.host import HostFacts
from fairlead.model.network import LOCAL, Network, NetworkSpec
from fairlead.model.plan import Plan


class Bare:
    """A network without anything in the kernel, of which there is one."""

    name = ""
    scope = LOCAL
    can = Abilities()

    def gateway(self, spec: NetworkSpec) -> bool:
        return False

    def link(self, network: Network) -> str:
        return ""

    def segment(self, network: Network) -> str:
        return ""

    def stands_on(self, network: Network) -> tuple[str, ...]:
        return ()

    def namespace(self, network: Network, facts: HostFacts) -> str:
        return ""

    def check_options(self, given: Mapping[str, str]) -> tuple[str, ...]:
        return ()

    def validate(self, network: Network, around: Neighbourhood) -> tuple[str, ...]:
        if any(other.driver == self.name for other in around.others):
            raise NotAllowed(f'only one instance of "{self.name}" network is allowed')
        return ()

    def validate_endpoint(self, network: Network, endpoint: Endpoint) -> None:
        return None

    def create(self, network: Network, around: Neighbourhood) -> Plan:
        return Plan()

    def remove(self, network: Network, around: Neighbourhood) -> Plan:
        return Plan()

    def attach(self, network: Network, endpoint: Endpoint, site: Site) -> Plan:
        return Plan()

    def detach(self, network: Network, endpoint: Endpoint, site: Site) -> Plan:
        return Plan()

    def publish(self, network: Network, endpoint: Endpoint) -> Plan:
        return Plan()

    def unpublish(self, network: Network, endpoint: Endpoint) -> Plan:
        return Plan()

    def leg(self, network: Network, endpoint: Endpoint) -> Leg:
        return Leg(endpoint.id, network.name, endpoint.ifname, internal=True)

    def expected(self, network: Network, attachments: Sequence[Attachment], facts: HostFacts) -> Expected:
        return Expected()


class Host(Bare):
    """`--network host`."""

    name = "host"
    can = Abilities(addressed=False, own_namespace=False, combines=False, singleton=True, names=False)
