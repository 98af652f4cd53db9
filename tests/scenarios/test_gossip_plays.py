"""The plays in `gossip/` print what they printed before.

`fairlead sim play --rewrite FILE` takes over what a play prints now; commit that only when the change is understood.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.sim.gossip.play import PlayError, rewrite

PLAYS = sorted((Path(__file__).parent / "gossip").glob("*.txt"))


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.stem)
def test_play_prints_what_it_printed_before(play: Path) -> None:
    text = play.read_text()
    assert rewrite(text) == text


def test_an_unknown_command_names_the_known_ones() -> None:
    with pytest.raises(PlayError, match="line 2: 'dance n1': no command 'dance'; there are boot, crash"):
        rewrite("start 2\ndance n1\n")
