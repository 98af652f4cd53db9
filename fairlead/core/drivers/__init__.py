"""Network drivers: what a network of each kind needs of the kernel, as plans.

Entry points:
- `registry.DRIVERS[name]`: the drivers by name; each fulfils `contract.Driver` and says in `can` what it is able to.
- `contract.Site`, `contract.Attachment`, `contract.Expected`: what a driver is told and what it tells.
- `names`: Linux names and owner tags; `names.owner_of(owner, alias)` reads a tag back.
- `segments.place(endpoints)` and `segments.shared(endpoints, endpoint)`: the chain of bridges of a large network.
- `links.open_link` / `links.close_link`: a legacy link where containers may not talk.
"""
