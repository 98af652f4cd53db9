"""From what nodes tell each other about a network to what this node does about it.

A row of gossip is one endpoint (`presence`: its bytes and back, everything checked). `view.NetworkView` is fed with
rows as they come, go, fall silent and return, in any order, and says what that changes here (`differences`): who is
forwarded to, who is called what, which tasks stand behind which service.

What follows from rows follows from nothing else. A view holds the rows and what it last said; a row that changes makes
it look again at that endpoint, at those that claim the same address, and at its service, and at nothing else. So a
view that lived through a year of churn equals one made anew from the rows of this moment.
"""
