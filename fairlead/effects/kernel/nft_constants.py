"""Numbers of nf_tables netlink (include/uapi/linux/netfilter/nf_tables.h), by the object they belong to."""

from __future__ import annotations

SUBSYSTEM = 10
BATCH_BEGIN, BATCH_END = 0x10, 0x11
(
    NEWTABLE,
    GETTABLE,
    DELTABLE,
    NEWCHAIN,
    GETCHAIN,
    DELCHAIN,
    NEWRULE,
    GETRULE,
    DELRULE,
    NEWSET,
    GETSET,
    DELSET,
    NEWSETELEM,
    GETSETELEM,
    DELSETELEM,
    NEWGEN,
) = range(16)

FAMILIES = {"inet": 1, "ip": 2, "arp": 3, "netdev": 5, "bridge": 7, "ip6": 10}
HOOKS = {"prerouting": 0, "input": 1, "forward": 2, "output": 3, "postrouting": 4, "ingress": 5}
ARP_HOOKS = {"input": 0, "output": 1, "forward": 2}
NETDEV_HOOKS = {"ingress": 0, "egress": 1}
POLICIES = {"drop": 0, "accept": 1}

LIST_ELEMENT = 1
TABLE_NAME = 1
CHAIN_TABLE, CHAIN_NAME, CHAIN_HOOK, CHAIN_POLICY, CHAIN_TYPE = 1, 3, 4, 5, 7
HOOK_NUMBER, HOOK_PRIORITY, HOOK_DEVICE = 1, 2, 3
RULE_TABLE, RULE_CHAIN, RULE_EXPRESSIONS, RULE_USERDATA = 1, 2, 4, 7

SET_TABLE, SET_NAME, SET_FLAGS, SET_KEY_TYPE, SET_KEY_LEN, SET_DATA_TYPE, SET_DATA_LEN = 1, 2, 3, 4, 5, 6, 7
SET_DESC, SET_ID, SET_USERDATA = 9, 10, 13
SET_DESC_CONCAT, SET_FIELD_LEN = 2, 1
ANONYMOUS, CONSTANT, INTERVAL, MAP, TIMEOUT, EVAL, CONCAT = 0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x80
SET_KEY_BYTEORDER, SET_DATA_BYTEORDER = 0, 1
NATIVE_ORDER, BIG_ENDIAN = 1, 2

LIST_TABLE, LIST_SET, LIST_ELEMENTS, LIST_SET_ID = 1, 2, 3, 4
KEY, DATA, ELEMENT_FLAGS, ELEMENT_USERDATA, KEY_END = 1, 2, 3, 6, 10
INTERVAL_END = 1
DATA_VALUE, DATA_VERDICT = 1, 2
VERDICT_CODE, VERDICT_CHAIN = 1, 2
VERDICTS = {"drop": 0, "accept": 1, "continue": -1, "jump": -3, "goto": -4, "return": -5}

COMMENT = 0


def message_type(number: int) -> int:
    return SUBSYSTEM << 8 | number
