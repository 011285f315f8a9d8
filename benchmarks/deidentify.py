"""De-identification in figures: `python benchmarks/deidentify.py [--values N] [--store STORE --pool tune]`.

Planted: values of each kind, made up, in texts that say what they are, in several forms; a value is caught where it
does not stand in what would be sent. With a store: whether every text of its sessions comes back as it was, what is
replaced, and what that costs. Prints Markdown; no value of a session is printed.
"""

from __future__ import annotations

import argparse
import base64
import functools
import json
import random
import string
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from harness.deidentifying import session_texts
from harness.scanners import Scanner, available, open_scanner
from harness.store import Store
from toolsim.deid.detect import find
from toolsim.deid.found import KINDS, Found
from toolsim.deid.mapping import SessionMap
from toolsim.deid.shield import Shield

_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"


def name(rng: random.Random, least: int = 3) -> str:
    """A name of syllables, such as no word list holds."""
    return "".join(rng.choice(_CONSONANTS) + rng.choice(_VOWELS) for _ in range(rng.randint(least, 4)))


def chars(rng: random.Random, alphabet: str, count: int) -> str:
    """Random characters."""
    return "".join(rng.choice(alphabet) for _ in range(count))


def luhn(rng: random.Random) -> str:
    """A card number with its check digit."""
    digits = [4, *(rng.randrange(10) for _ in range(14))]
    total = sum(sum(divmod(2 * d, 10)) if n % 2 == 0 else d for n, d in enumerate(digits))
    text = "".join(map(str, [*digits, -total % 10]))
    return rng.choice([text, " ".join(textwrap.wrap(text, 4))])


B62 = string.ascii_letters + string.digits
VALUES: dict[str, Callable[[random.Random], str]] = {
    "user": name,
    "person": lambda r: f"{name(r).capitalize()} {name(r).capitalize()}",
    "email": lambda r: f"{name(r)}{r.choice(['.', '_', ''])}{name(r)}@{name(r)}.{r.choice(['com', 'de', 'co.uk'])}",
    "host": lambda r: f"{name(r)}-{r.randint(1, 99)}",
    "ip": lambda r: r.choice([
        f"10.{r.randint(1, 254)}.{r.randint(1, 254)}.{r.randint(3, 254)}",
        f"192.168.{r.randint(2, 254)}.{r.randint(3, 254)}",
        f"{r.randint(20, 99)}.{r.randint(1, 254)}.{r.randint(1, 254)}.{r.randint(3, 254)}",
        f"2a01:4f8:{r.getrandbits(16):x}:{r.getrandbits(16):x}::{r.getrandbits(16):x}",
    ]),
    "mac": lambda r: ":".join(f"{r.getrandbits(8):02x}" for _ in range(6)),
    "phone": lambda r: r.choice([
        f"+1 {r.randint(201, 989)}-{r.randint(200, 999)}-{r.randint(1000, 9999)}",
        f"+49 {r.randint(30, 99)} {r.randint(1000000, 9999999)}",
        f"({r.randint(201, 989)}) {r.randint(200, 999)}-{r.randint(1000, 9999)}",
        f"{r.randint(201, 989)}-{r.randint(200, 999)}-{r.randint(1000, 9999)}",
    ]),
    "card": luhn,
    "id_number": lambda r: f"{r.randint(100, 665)}-{r.randint(10, 99)}-{r.randint(1000, 9999)}",
    "token": lambda r: r.choice([
        f"ghp_{chars(r, B62, 36)}", f"AKIA{chars(r, string.ascii_uppercase + string.digits, 16)}",
        f"sk-proj-{chars(r, B62, 40)}", f"xoxb-{r.randint(10**10, 10**11)}-{chars(r, B62, 24)}",
        f"AIza{chars(r, B62 + '-_', 35)}", f"glpat-{chars(r, B62, 20)}",
        ".".join(["eyJ" + chars(r, B62, 17), "eyJ" + chars(r, B62, 40), chars(r, B62 + "-_", 43)]),
    ]),
    "secret": lambda r: r.choice([chars(r, "0123456789abcdef", 32), chars(r, B62, 24), chars(r, B62 + "+/", 40)]),
    "password": lambda r: f"{name(r).capitalize()}{r.choice('-!+.')}{r.randint(10, 9999)}",
    "private_key": lambda r: chars(r, B62 + "+/", 64),
}  # fmt: skip
CONTEXTS: dict[str, tuple[str, ...]] = {
    "user": ("cd /home/{}/src && make", "at /Users/{}/code/a.py:3", "C:\\Users\\{}\\x",
             "drwxr-xr-x 5 {} staff 160 Nov 3 a"),
    "person": ("Author: {} <dev@corp.io>", "Co-authored-by: {} <x9@corp.io>", "git config user.name \"{}\""),
    "email": ("write to {} please", "Author: Ann Poe <{}>", "ssh-ed25519 AAAAC3Nz {}", "user={}&x=1"),
    "host": ("ssh deploy@{} uptime", "root@{}:~# ls", "Linux {} 5.15.0-91 #1 SMP", "http://{}.internal/x"),
    "ip": ("inet {} netmask", "ping {}", "http://{}/x", "host = {}"),
    "mac": ("ether {} txqueuelen", "{} dev eth0"),
    "phone": ("call {} today", "tel: {}", '"phone": "{}"'),
    "card": ("card {} ok", '"cardNumber": "{}"'),
    "id_number": ("SSN {} on file", "ssn: {}"),
    "token": ("export X={}", 'token: "{}"', "curl -H 'Authorization: Bearer {}'", "key {} here"),
    "secret": ('API_KEY="{}"', "client_secret: {}", "aws_secret_access_key = {}", "--token {}"),
    "password": ('password = "{}"', "postgres://app:{}@db/x", "DB_PASSWORD='{}'", "passwd: {}"),
    "private_key": ("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
                    "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\nAAA="),
}  # fmt: skip
Form = Callable[[str], str]
FORMS: dict[str, Form] = {
    "as it is": lambda t: t,
    "in JSON": lambda t: json.dumps({"output": f"\n{t}\n"}),
    "JSON in JSON": lambda t: json.dumps({"a": json.dumps({"output": f"\n{t}"})}),
    "percent": lambda t: quote(t, safe=""),
    "coloured": lambda t: "\x1b[01;31m" + "\x1b[01;31m".join(t.split(" ")) + "\x1b[0m",
    "diff line": lambda t: "\n".join(f"+{line}" for line in t.split("\n")),
    "numbered": lambda t: "\n".join(f"{n:6}→{line}" for n, line in enumerate(t.split("\n"), 1)),
    "JSON \\u escapes": lambda t: "".join(c if c.isalnum() or c in " \n" else f"\\u{ord(c):04x}" for c in t),
    "base64": lambda t: base64.b64encode(t.encode()).decode(),
    "hex": lambda t: t.encode().hex(),
}  # fmt: skip


def caught(value: str, text: str, form: Form, *, wrapped: bool = False) -> bool:
    """Whether the value, in the form that the text has, does not stand in what would be sent."""
    made = form(text)
    needle = form(value) if form in {FORMS["percent"], FORMS["JSON \\u escapes"]} else value
    if wrapped:
        half = len(value) // 2
        made = text.replace(value, f"{value[:half]}\n{value[half:]}")
        needle = f"{value[:half]}\n{value[half:]}"
    sent = Shield().scrub("s", {"text": made})["text"]
    if form in {FORMS["base64"], FORMS["hex"]}:
        return bool(sent != made)
    if form is FORMS["coloured"]:
        needle = "\x1b[01;31m".join(value.split(" "))
    return needle not in sent


def planted(count: int, seed: int) -> None:
    """Recall by kind and form."""
    columns = [*FORMS, "wrapped in its middle", "again, alone"]
    hits: Counter[tuple[str, str]] = Counter()
    for kind, make in VALUES.items():
        rng = random.Random(f"{seed} {kind}")
        for n in range(count):
            value = make(rng)
            context = CONTEXTS[kind][n % len(CONTEXTS[kind])].format(value)
            for title, form in FORMS.items():
                hits[kind, title] += caught(value, context, form)
            hits[kind, "wrapped in its middle"] += caught(value, context, FORMS["as it is"], wrapped=True)
            sent = Shield().scrub("s", {"a": context, "b": f"({value})"})
            hits[kind, "again, alone"] += value not in sent["b"]
    print(f"\nPlanted values caught, {count} of each kind, in percent:")
    table(["kind", *columns], [[k, *(f"{100 * hits[k, c] / count:.0f}" for c in columns)] for k in VALUES])


def real(store: Path, pool: str, scanners: Sequence[Scanner]) -> None:
    """Sessions of a store: identity, replacements, costs."""
    same = texts_seen = characters = hidden = values = 0
    replaced: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    bare: Counter[str] = Counter()
    first = again = plain = scanning = 0.0
    with Store(store, create=False) as held:
        rows = [row for row in held.sessions() if row.pool == pool]
        for row in rows:
            texts = list(dict.fromkeys(text for text in session_texts(held.trajectory(row.id)) if text))
            body = {"messages": [{"role": "user", "content": text} for text in texts]}
            started = time.perf_counter()
            json.dumps(body)
            plain += time.perf_counter() - started
            shield = Shield()
            started = time.perf_counter()
            found = [one for scanner in scanners for one in scanner.find(texts)]
            scanning += time.perf_counter() - started
            if found:
                shield.learn(row.id, texts, found)
            started = time.perf_counter()
            shield.scrub(row.id, body)
            first += time.perf_counter() - started
            started = time.perf_counter()
            shield.scrub(row.id, body)
            again += time.perf_counter() - started
            mapped: SessionMap = shield.map_of(row.id)
            values += len(mapped.entries)
            kinds.update(e.kind for e in mapped.entries)
            for text in texts:
                scrubbed, used = mapped.scrubbed(text)
                same += mapped.restore(scrubbed) == text
                replaced.update(e.kind for e in used)
                hidden += sum(len(e.value) for e in used)
                bare.update(e.kind for e in used if e.kind in {"user", "person"} and not _told(text, e.value))
            texts_seen += len(texts)
            characters += sum(map(len, texts))
    print(f"\n{len(rows)} sessions of the {pool} pool, {texts_seen:,} texts, {characters:,} characters, scanners: "
          f"{', '.join(['built-in', *(s.name for s in scanners)])}")  # fmt: skip
    print(f"texts that come back as they were: {same:,} of {texts_seen:,}")
    print(f"values: {values}; characters replaced: {100 * hidden / characters:.3f} %")
    names = {"user", "person"}
    lines = [[k, kinds[k], replaced[k], bare[k] if k in names else "-"] for k in (*KINDS, "native")]
    table(["kind", "entries", "replaced", "in texts that do not say what it is"], lines)
    per = 1e8 / characters
    print(f"\nms per 100,000 characters: first look {first * per:.2f}, again {again * per:.3f}, JSON of the same "
          f"{plain * per:.3f} (ratio of the first look {first / plain:.0f}, again {again / plain:.1f}); "
          f"scanners {scanning * per:.0f}")  # fmt: skip


def _told(text: str, value: str) -> bool:
    """Whether the text by itself says what the value is."""
    return value.lower() in {one.value.lower() for one in _found(text)}


@functools.lru_cache(maxsize=1)
def _found(text: str) -> tuple[Found, ...]:
    return find(text)


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print one table."""
    names = list(header)
    print(f"\n| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |", flush=True)


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--values", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--pool", default="tune")
    parser.add_argument("--scanner", action="append", default=[], choices=available())
    asked = parser.parse_args()
    if asked.values:
        planted(asked.values, asked.seed)
    if asked.store is not None:
        real(asked.store, asked.pool, [open_scanner(n) for n in asked.scanner])


if __name__ == "__main__":
    main()
