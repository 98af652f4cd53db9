"""Where things lie in etcd.

/fairlead/objects/<kind>/<id>       the object's document
/fairlead/names/<kind>/<name>       the id of the object that has the name; names differ by more than case
/fairlead/needs/<kind>/<id>         written when something came to need the object
/fairlead/receipts/<writer>/<slot>  the newest commit of a writer in one of its slots (`receipts`)
/fairlead/leader                    who leads, on the leader's lease
"""

from __future__ import annotations

OBJECTS = "/fairlead/objects/"
RECEIPTS = "/fairlead/receipts/"
LEADER = "/fairlead/leader"


def object_key(kind: str, id_: str) -> str:
    return f"{OBJECTS}{kind}/{id_}"


def name_key(kind: str, name: str) -> str:
    return f"/fairlead/names/{kind}/{name.lower()}"


def need_key(kind: str, id_: str) -> str:
    return f"/fairlead/needs/{kind}/{id_}"


def receipts_key(member: str) -> str:
    return f"{RECEIPTS}{member}/"


def of_object(key: str) -> tuple[str, str]:
    """Kind and id."""
    kind, _, id_ = key.removeprefix(OBJECTS).partition("/")
    return kind, id_


def end_of(prefix: str) -> str:
    """The first key after all that begin with `prefix`."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
