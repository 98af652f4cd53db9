"""Why a packet arrives or does not: it is led through namespaces as the kernel has them, hop by hop.

What decides is what was read from the kernel (`fairlead.model.scene`); what the engine believes (`Known`) only names
things and tells where to look next. Where the two differ, that is the finding.
"""
