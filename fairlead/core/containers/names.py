"""Names for containers whose user gave none: adjective_surname, people who moved networks and computing along."""

from __future__ import annotations

from collections.abc import Callable

_ADJECTIVES = (
    "able agile amber ample apt arctic bold brave brisk bright calm candid clear clever cosmic crisp curious "
    "daring deft eager early earnest easy epic fair fancy fine firm fleet fond frank free fresh gallant gentle "
    "glad golden grand happy hardy honest humble ideal jolly keen kind lively loyal lucid lucky merry mighty modest "
    "neat nimble noble patient placid polite proud quick quiet rapid ready robust serene sharp silent smart solid "
    "spry steady stoic sunny swift tidy tireless trusty upbeat valiant vivid warm wise witty zesty"
)
_SURNAMES = (
    "abramson allen almquist babbage backus baran bartik berners bellovin boggs boole borg bricklin cailliau cerf "
    "chappe cheriton clark cohen comer cray crocker crowther dahl davies deering dijkstra donahoe duvall elz "
    "engelbart estrin feinler floyd forgie garcia gerla goldberg gosper hamilton hamming hopper huffman iverson "
    "jacobson jennings johnson kahn karels karn kay kernighan kirstein kleinrock knuth lamarr lamport lampson "
    "licklider liskov lovelace lynch marconi mccarthy mcquillan metcalfe mills mockapetris moran morse nagle "
    "naur noether nyquist ousterhout pastor paxson perlman pierce pike postel pouzin rabin rekhter ritchie roberts "
    "saltzer shannon shenker stevens stonebraker strachey sussman sutherland taylor thompson tomlinson torvalds "
    "turing varghese walden wilkes wing wirth yao zhang zimmermann zuse"
)
ADJECTIVES, SURNAMES = tuple(_ADJECTIVES.split()), tuple(_SURNAMES.split())


def suggest(number: Callable[[int], int], taken: Callable[[str], bool]) -> str:
    """A free name; `number(n)` draws below n. After a few collisions a digit is appended, as Docker does."""
    attempt = 0
    while True:
        name = f"{ADJECTIVES[number(len(ADJECTIVES))]}_{SURNAMES[number(len(SURNAMES))]}"
        if attempt >= 6:
            name += str(number(10 ** (attempt - 5)))
        if not taken(name):
            return name
        attempt += 1
