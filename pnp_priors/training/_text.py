"""Text to set: frequent English words among words that no language has, names, numbers."""

from __future__ import annotations

from random import Random

_FREQUENT = (
    "the of and to in a is that for it as was with be by on not he his but at are this have from "
    "or had an they which one you were all her she there would their we him been has when who "
    "will no more if out so up said what its about than into them can only other time new some "
    "could these two may first then do any like my now over such our man me even most made after "
    "also did many off before must well back through years much where your way down should "
    "because long each just state people those too little very good world make still see work "
    "between life being under never day same another know while last might great old year come "
    "since against go came right used take three"
)
_STARTS = "b br c ch cl d dr f fl g gr h j k l m n p pl pr qu r s sh sp st str t th tr v w y z"
_VOWELS = "a a e e e i i o o u ai ea ee ie io ou"
_ENDS = "- - b ck ct d g l ll m n n nd ng nt p r r rd rt s s sh ss st t t th x"
FREQUENT, STARTS, VOWELS = _FREQUENT.split(), _STARTS.split(), _VOWELS.split()
ENDS = [end.strip("-") for end in _ENDS.split()]


def word(rng: Random) -> str:
    """A frequent word, or one to three syllables of none."""
    if rng.random() < 0.45:
        return rng.choice(FREQUENT)
    syllables = rng.choice((1, 2, 2, 2, 3, 3))
    parts = [rng.choice(STARTS) + rng.choice(VOWELS) for _ in range(syllables)]
    return "".join(parts) + rng.choice(ENDS)


def number(rng: Random) -> str:
    """As tables and forms have them: counts, prices, shares, dates, times, hexadecimal."""
    whole = rng.randrange(10 ** rng.randint(1, 5))
    return rng.choice(
        (
            str(whole),
            f"{whole:,}",
            f"{whole / 100:.2f}",
            f"${whole / 100:,.2f}",
            f"{rng.uniform(-100, 100):+.1f}%",
            f"{rng.randint(1990, 2030)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}",
            f"{rng.randrange(24)}:{rng.randrange(60):02d}",
            f"{rng.randrange(2**24):06X}",
        )
    )


def phrase(rng: Random, fewest: int, most: int) -> str:
    """A title or a label: words, the first one or all of them capitalised."""
    words = [word(rng) for _ in range(rng.randint(fewest, most))]
    style = rng.random()
    if style < 0.1:
        return " ".join(words).upper()
    return " ".join(words).title() if style < 0.4 else " ".join(words).capitalize()


def sentence(rng: Random) -> list[str]:
    """Its words, with capitals, numbers and punctuation."""
    words = [word(rng) for _ in range(rng.randint(4, 18))]
    for index in range(len(words)):
        chance = rng.random()
        if chance < 0.04:
            words[index] = number(rng)
        elif chance < 0.08:
            words[index] = words[index].capitalize()
        elif chance < 0.10:
            words[index] = f"({words[index]})"
        elif chance < 0.17 and index < len(words) - 1:
            words[index] += rng.choice(",,,;:")
    words[0] = words[0].capitalize()
    words[-1] += rng.choice("......?!")
    return words


def code(rng: Random) -> str:
    """A line of a program or of a terminal, without its indentation."""
    a, b, c = (word(rng) for _ in range(3))
    return rng.choice(
        (
            f"{a} = {b}({c}, {rng.randrange(100)})",
            f"for {a} in range({rng.randrange(100)}):",
            f"if ({a} != NULL && {b}[{rng.randrange(10)}] < 0x{rng.randrange(256):02x}) {{",
            f"return {a}->{b} + {c} * {rng.random():.3f};",
            f"def {a}_{b}({c}: int) -> str:",
            f'print("{a.capitalize()} {b}: %d\\n" % {c})',
            f"# {a} {b} {c} {word(rng)} {word(rng)}",
            f"$ {a} --{b}={rng.randrange(1000)} | {c} > /{a}/{b}.txt",
            f"{rng.randrange(24):02d}:{rng.randrange(60):02d} [{a}] {b} {c} {number(rng)}",
            "}",
        )
    )
