"""What balancing leans on is in Debian's kernel too: chains on a device's way in and out, and what they write."""

from __future__ import annotations

import pytest

from tests.fate.test_resolver_on_linux import box, test_a_datagram_is_answered_from_where_it_was_sent_to
from tests.scenarios.test_mesh import test_every_node_leads_to_every_task_which_sees_the_client, world
from tests.scenarios.test_virtual_addresses import street, test_backends_take_turns_and_see_the_client

pytestmark = pytest.mark.stock_kernel

__all__ = [
    "box",
    "street",
    "test_a_datagram_is_answered_from_where_it_was_sent_to",
    "test_backends_take_turns_and_see_the_client",
    "test_every_node_leads_to_every_task_which_sees_the_client",
    "world",
]
