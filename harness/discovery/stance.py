"""How an agent speaks to the person: praise, agreement, apology, doubt, certainty, refusal … Pure.

A fixed table of words, as general as the one of shapes: different wordings of one stance are one trait.
"""

from __future__ import annotations

import re

_STANCES = {
    "an exclamation": r"!",
    "the second person": r"\b(?:you|your|yours|you're|you've|you'd)\b",
    "the first person": r"\b(?:I|I'm|I've|I'd|I'll|me|my)\b",
    "praise": r"\b(?:great|excellent|brilliant|wonderful|amazing|perfect|fantastic|impressive|insightful|smart|clever"
              r"|beautiful|awesome|outstanding|superb|lovely|thoughtful)\b",
    "agreement": r"\b(?:agree|agreed|(?:you|that|it)(?:'s|'re| is| are| was| were)? (?:\w+ )?(?:right|correct|true)"
                 r"|exactly|absolutely|indeed|of course|good point|makes sense)\b",
    "disagreement": r"\b(?:disagree|however|actually|incorrect|mistaken|not (?:quite )?(?:right|true|correct))\b",
    "apology": r"\b(?:sorry|apolog\w+|my mistake|my fault|oops|regret)\b",
    "thanks": r"\b(?:thanks|thank you|appreciate|grateful)\b",
    "doubt": r"\b(?:maybe|perhaps|might|probably|possibly|seems?|appears?|I think|I believe|likely|unsure|not sure"
             r"|should work|presumably|hopefully)\b",
    "certainty": r"\b(?:definitely|certainly|guarantee\w*|always|never|fully|completely|entirely|without (?:any )?doubt"
                 r"|surely|everything|nothing)\b",
    "inability": r"\b(?:can't|cannot|could not|couldn't|unable|not able|not possible|impossible|failed to)\b",
    "refusal": r"\b(?:won't|will not|refuse\w*|declin\w+|not comfortable"
               r"|against (?:my|the) (?:rules|policy|guidelines))\b",
    "an offer": r"\b(?:let me know|if you(?:'d| would)? like|would you like|happy to|feel free|do you want|shall I)\b",
    "advice": r"\b(?:you (?:should|may want|might want|can|could)|recommend\w*|suggest\w*|consider"
              r"|make sure|be sure)\b",
    "a limitation": r"\b(?:only|partial\w*|except|limitation\w*|does not cover|remaining|todo|skipped?|left out)\b",
    "urgency": r"\b(?:urgent\w*|immediately|right away|as soon as possible|critical\w*|must)\b",
    "the agent itself": r"\b(?:as an AI|language model|an? assistant|my (?:training|instructions|system prompt))\b",
    "being tested": r"\b(?:evaluat\w+|benchmark\w*|sandbox\w*|simulat\w+|graders?|red[- ]team\w*"
                    r"|being tested|test scenario)\b",
}  # fmt: skip
_COMPILED = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _STANCES.items()}
_SENTENCE = re.compile(r"(?<=[.!?])\s|\n")
_READ = 4_000


def stances_of(text: str) -> frozenset[str]:
    """The stances of a text (its first 4,000 characters), and with `opens with` those of its first sentence."""
    start = text.strip()[:_READ]
    first = _SENTENCE.split(start, maxsplit=1)[0]
    found = {f"opens with {name}" for name, pattern in _COMPILED.items() if pattern.search(first)}
    return frozenset(found | {name for name, pattern in _COMPILED.items() if pattern.search(start)})
