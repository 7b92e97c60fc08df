#!/usr/bin/env python3
"""Checks the prose of comments and pages for phrases that are hard to read.

    python3 tools/prose.py                      hits per 1,000 words of each folder and of everything; fails above 5
    python3 tools/prose.py --at-most 3 docs README.md
    python3 tools/prose.py --list src/pipeline.rs   also prints each hit as file:line: rule: text
    python3 tools/prose.py --rules              prints the rules with their numbers of hits
    python3 tools/prose.py --verbs              share of function docs that begin with a verb; fails below 75 %

Checked text: comments of Rust, Python, shell, TOML, YAML and Makefiles; docstrings; the descriptions of CloudFormation
templates (`Description`, `AlarmDescription`, `ConstraintDescription`); and Markdown pages. Code is not checked: fenced blocks,
backticks, link targets and HTML comments are removed first. Only files that Git knows or would add are read.

A rule is a regular expression over a paragraph in which line breaks count as spaces. Each match is one hit; a stretch of text
that two rules match counts once. To allow one use, put it in backticks if it is code, or extend `ALLOWED`, whose matches are
removed from the text before the rules run. Well-written code bases have 0.3 to 2 hits per 1,000 words.

`--verbs` reads the doc comments (`///`) of `fn` items in `src`, without tests: a doc passes if its first word is a verb in the
third person ("Returns", "Parses"). A word counts as one if it has three letters or more and ends in "s", but not in "ss", "us",
"is" or "'s". The words in `NOT_VERBS`, which may be plural nouns, count as verbs only before an article or the like: "Counts the
records" passes, "Counts of records" does not.
"""

import argparse
import ast
import io
import re
import subprocess
import sys
import tokenize
from bisect import bisect_right
from collections import Counter, namedtuple
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


# Matches of these are no hits, whichever rule they fit. A space stands for any white space, and case does not count.
ALLOWED = [
    # "What" in questions, at the start of a heading or a table cell, and after a verb of knowing.
    r"(?<=[|#]\s)what",
    r"(?:what|who)\b[^.:;!]*\?",
    r"(?:describe|define|determine|control|decide|explain|know|show|understand|specifie|check|see|affect)s? (?:exactly )?what",
    r"(?:specify|no matter|regardless of|exactly|about) what",
    r"what if",
    r"there (?:is|are|was|were) no",
    r"(?:answers?|answered|answering) (?:\w+ ){0,3}questions?",
    r"tells? (?:you|users?|the user|readers?|the reader)",
    r"the rest on|read on \d[\d-]+",
    r"stands? for|stand-ins?|as it stands|stand alone",
    r"behind (?:an?|the) (?:\w+ )?(?:feature|flag|proxy|balancer|NAT|gateway|firewall|trait|lock|mutex|reference|pointer|scenes)",
    r"(?:falls?|lags?) behind",
    r"(?:conditions?|criteria|criterion|requirements?|deadlines?|goals?|thresholds?) (?:is|are|was|were|be|been|not) met",
]

# The rules. "{start}" is the start of a sentence, or of a clause after a colon or semicolon; not of a heading or a table row.
RULES = {
    "what": r"what",
    "whatever": r"what(?:so)?ever|who(?:m|so)?ever|whichever|wherever",
    "however": r"however (?:\w+ly|many|much|often|long|deep|large|small|little|few|busy|fast|it|that|they)",
    "so many": r"so (?:many|much|few|little|large|long|deep)(?! that| as)",
    "tell": r"tell|tells|told|telling",
    "say": r"says? (?:so|nothing|whether|of)|said",
    "stand": r"stand|stands|stood|standing",
    "lie": r"(?:lies|lie|lay) (?:in|on|among|below|behind|beside|there|elsewhere|where)",
    "behind": r"behind",
    "beside": r"besides?",
    "anew": r"anew",
    "stranger": r"strangers?",
    "let through": r"lets? (?:\w+ )?through",
    "refuse": r"refus(?:e|es|ed|ing|al)",
    "answer": r"answers?|answered",
    "met": r"met",
    "come again": r"(?:come|comes|came|coming) again",
    "in vain": r"in vain",
    "hang on": r"hangs? on",
    "rest on": r"rests? on",
    "mistake": r"has a mistake",
    "is no": r"(?:is|are|was|were|it's|that's|be) no (?!longer|more|less|greater|larger|smaller|bigger|later|earlier|better|worse|such)\w+",
    "nobody": r"nobody|somebody",
    "of …": r"{start}of(?! course)",
    "that of …": r"(?:{start}|, |\()(?:that|those) of (?=an?|the|these|those|this|others?|each|one|which|none|all|its?|several)",
    "all that": r"all that(?! (?:apply|applies))",
    "by which": r"by which",
    "make out": r"(?:makes?|made|making) out(?! of)",
    "give up": r"(?:gives?|gave|given|giving) (?:up|back)",
    "at hand": r"at hand",
    "own": r"(?:the|one) own|own (?:VPCs?|address(?:es)?|interfaces?|ones?)",
    "take in": r"tak(?:es?|en) in|took in",
    "go on": r"(?:goes|went|reads?) on(?! (?:an?|the|to))",
    "as a rule": r"as a rule|for want of|as good as|for ever|in silence",
    "foresee": r"foresee|foreseen|foresees|seldom",
    "nothing but": r"(?:nothing|none|no \w+) but",
    "variety": r"variety(?! of)|noteworthy",
    "else": r"{start}else",
}

# Words in "-s" with which a function's doc begins, and which are no verbs in the third person there.
NOT_VERBS = set(
    """
    addresses alarms alerts always answers arguments bits blocks bounds bytes calls causes changes chunks classes clients codes
    columns commas connections constants counters counts cases details dimensions docs documents entries errors events examples
    fields files findings flags flows formats groups headers hosts ids inputs interfaces items its keys kinds labels lengths less
    limits lines lists lots marks members messages metrics names notes numbers objects options others outputs packets pairs
    parameters parts paths peers perhaps pieces places plus points ports positions prefixes properties ranges records replies
    results routes rows rules samples seconds services settings sizes sometimes sources spaces states steps subnets sums summaries
    tables tags tests texts this thresholds times totals traits tuples types units values variables versions vpcs whereas words yes
    """.split()
)
ARTICLES = {"a", "an", "the", "this", "each", "every", "all", "any", "one", "two", "its", "up", "and"}


def phrase(pattern):
    """Lets each space of a pattern match any white space."""
    return re.sub(r" ", r"\\s+", pattern)


def rule(pattern):
    start = r"(?:\A[^\w|#\x00]*|(?<=[.:;!?]\s))"
    return re.compile(r"(?<![\w-])(?:%s)(?![\w-])" % phrase(pattern.replace("{start}", start)), re.IGNORECASE)


COMPILED = {name: rule(pattern) for name, pattern in RULES.items()}
EXEMPT = rule("|".join(ALLOWED))

# A paragraph: its text, and for each of its lines the offset in the text and the number in the file.
Paragraph = namedtuple("Paragraph", "text offsets numbers")


def paragraphs(lines):
    """Groups (number, text) pairs into paragraphs: an empty text or a gap in the numbers ends one."""
    group, before = [], None
    for number, text in lines:
        if group and (not text or number > before + 1):
            yield paragraph(group)
            group = []
        if text:
            group.append((number, text))
        before = number
    if group:
        yield paragraph(group)


def paragraph(group):
    offsets, length = [], 0
    for _, text in group:
        offsets.append(length)
        length += len(text) + 1
    return Paragraph("\n".join(text for _, text in group), offsets, [number for number, _ in group])


# Readers: each yields (number, text) pairs, with an empty text between two paragraphs.

RUST = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/) | b?r(?P<hashes>\#*)".*?"(?P=hashes) | b?"(?:\\.|[^"\\])*" | b?'(?:\\.[^']*|[^'\\])'""",
    re.DOTALL | re.VERBOSE,
)


def rust(text):
    """Comments of Rust. A comment after code is a paragraph of its own, and so is a doc comment next to another comment."""
    end = 0
    for match in RUST.finditer(text):
        if not match["comment"]:
            continue
        number = text.count("\n", 0, match.start()) + 1
        alone = not text[text.rfind("\n", 0, match.start()) + 1 : match.start()].strip()
        if not alone or text[end : match.start()].count("\n") > 1:
            yield number, ""
        for line, comment in enumerate(match["comment"].split("\n")):
            yield number + line, re.sub(r"^\s*(/{2,}!?|/\*+!?|\*+/?)|\*+/$", "", comment).strip()
        end = match.end()


def hashed(text):
    """Comments that begin with "#" at the start of a line or after a space."""
    for number, line in enumerate(text.splitlines(), 1):
        match = re.search(r"(?:^|\s)#(?!!)(.*)", line)
        yield number, match[1].strip() if match and not in_quotes(line, match.start()) else ""


def in_quotes(line, position):
    return any(line[:position].count(quote) % 2 for quote in "\"'")


def python(text):
    """Comments and docstrings of Python."""
    lines = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith("#!"):
            lines[token.start[0]] = token.string.lstrip("#").strip()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(node):
            first = node.body[0].value
            lines.setdefault(first.lineno - 1, "")
            for number, line in enumerate(first.value.splitlines(), first.lineno):
                # Indented lines in a docstring are commands and examples.
                lines[number] = "" if line.startswith("    " + " " * first.col_offset) else line.strip()
    for number in sorted(lines):
        yield number, lines[number]


DESCRIPTION = re.compile(r"^(\s*)(?:- )?(?:Description|AlarmDescription|ConstraintDescription):\s*(.*)$")


def yaml(text):
    """Comments of YAML, and descriptions of a template with their continued lines."""
    indent = None
    for number, line in enumerate(text.splitlines(), 1):
        if match := DESCRIPTION.match(line):
            indent = len(match[1])
            yield number, ""
            yield number, re.sub(r"^[>|][+-]?$", "", match[2]).strip("\"'")
        elif indent is not None and line.strip() and len(line) - len(line.lstrip()) > indent:
            yield number, line.strip().strip("\"'")
        else:
            indent = None
            yield from ((number, comment) for _, comment in hashed(line))


def markdown(text):
    """Lines of a page without fenced code. An item of a list, a row of a table and a heading are paragraphs of their own."""
    fence = None
    for number, line in enumerate(blank(r"<!--.*?-->", text).splitlines(), 1):
        mark = re.match(r"\s*(```+|~~~+)", line)
        if fence:
            fence = None if mark and mark[1].startswith(fence) else fence
            yield number, ""
        elif mark:
            fence = mark[1]
            yield number, ""
        else:
            if re.match(r"\s*(?:[-*+]|\d+[.)])\s|\s*\||#", line):
                yield number, ""
            yield number, line.strip()
            if line.startswith("#"):
                yield number, ""


def blank(pattern, text):
    """Replaces matches by spaces, so that offsets and lines stay."""
    return re.sub(pattern, lambda match: re.sub(r"[^\n]", " ", match[0]), text, flags=re.DOTALL)


def reader(path):
    """The reader for a file, or `None` if it has no prose to check."""
    readers = {".rs": rust, ".py": python, ".sh": hashed, ".toml": hashed, ".yaml": yaml, ".yml": yaml, ".md": markdown}
    if path.name == "Makefile":
        return hashed
    if path.suffix or not path.is_file():
        return readers.get(path.suffix)
    with path.open("rb") as file:
        return hashed if re.match(rb"#!.*\b(ba)?sh\b", file.readline()) else None


def prose(path):
    """Yields the paragraphs of a file, without code."""
    found = (reader(path) or (lambda _: []))(path.read_text(errors="replace"))
    lines = found if path.suffix == ".md" else without_fences(found)
    for one in paragraphs(lines):
        yield one._replace(text=without_code(one.text))


def without_fences(lines):
    inside = False
    for number, text in lines:
        if text.startswith("```"):
            inside = not inside
            text = ""
        yield number, "" if inside else text


def without_code(text):
    """Replaces code and links by other characters, so that offsets stay. Code becomes NUL, which counts as a first word."""
    nul = lambda match: re.sub(r"[^\n]", "\x00", match[0])
    text = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", nul, text, flags=re.DOTALL)
    return blank(r"\]\([^)\s]*\)|<?https?://[^\s>)]+>?|<[a-z/][^>\n]*>", text)


Hit = namedtuple("Hit", "path line rule text")


def hits(path):
    """Returns the number of words of a file, and its hits."""
    words, found = 0, []
    for one in prose(path):
        words += len(re.findall(r"[A-Za-z][A-Za-z'’-]*", one.text))
        text = EXEMPT.sub(lambda match: re.sub(r"[^\n]", "\x01", match[0]), one.text)
        starts = {}
        for name, pattern in COMPILED.items():
            for match in pattern.finditer(text):
                starts.setdefault(match.start(), (name, match))
        for start, (name, match) in sorted(starts.items()):
            line = one.numbers[bisect_right(one.offsets, match.end() - 1) - 1]
            around = one.text[max(0, start - 40) : match.end() + 40].replace("\x00", "`")
            found.append(Hit(path, line, name, " ".join(around.split())))
    return words, found


def files(paths):
    """Returns the files below the paths that Git tracks or would add, and that have prose."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *paths]
    names = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout.splitlines()
    found = [PROJECT / name for name in sorted(set(names))]
    # This file quotes all phrases that it looks for.
    return [path for path in found if path.is_file() and path != Path(__file__).resolve() and reader(path)]


def check_prose(options):
    words, found = Counter(), []
    for path in files(options.paths):
        count, of_file = hits(path)
        top = path.relative_to(PROJECT).parts[0]
        words[top] += count
        found += of_file
    if options.list:
        for hit in found:
            print(f"{hit.path.relative_to(PROJECT)}:{hit.line}: {hit.rule}: {hit.text}")
    if options.rules:
        for name, count in Counter(hit.rule for hit in found).most_common():
            print(f"{count:6}  {name}")
    by_top = Counter(hit.path.relative_to(PROJECT).parts[0] for hit in found)
    print(f"{'':24} {'words':>7} {'hits':>6} {'per 1,000':>10}")
    for top in sorted(words):
        print(f"{top:24} {words[top]:7,} {by_top[top]:6,} {per_thousand(by_top[top], words[top]):10.1f}")
    total = per_thousand(len(found), words.total())
    print(f"{'all':24} {words.total():7,} {len(found):6,} {total:10.1f}")
    if total > options.at_most:
        sys.exit(f"{total:.1f} hits per 1,000 words are more than {options.at_most:g}: --list shows them")


def per_thousand(count, words):
    return 1000 * count / words if words else 0.0


FUNCTION = re.compile(r"\s*(?:pub(?:\([^)]*\))?\s+)?(?:default\s+)?(?:const\s+)?(?:async\s+)?(?:unsafe\s+)?(?:extern\s+\"\w+\"\s+)?fn\s+(\w+)")


def function_docs(text):
    """Yields (line, name, first two words) of each documented function outside of test modules."""
    doc, test_indent = None, None
    before = ""
    for number, line in enumerate(text.splitlines(), 1):
        indent = len(line) - len(line.lstrip())
        if test_indent is not None:
            if line.strip() and indent <= test_indent and line.strip().startswith("}"):
                test_indent = None
            continue
        if before.strip().startswith("#[cfg(test)]") and re.match(r"\s*(?:pub(?:\([^)]*\))?\s+)?(?:mod|fn|impl)\b.*\{\s*$", line):
            test_indent = indent
        elif match := re.match(r"\s*///\s?(.*)", line):
            doc = doc or (number, match[1])
        elif match := FUNCTION.match(line):
            if doc:
                words = re.findall(r"[A-Za-z][A-Za-z'’-]*", re.sub(r"`[^`]*`", "`", doc[1]))
                begins_with_code = doc[1].startswith("`") or doc[1].startswith("[`")
                yield doc[0], match[1], [] if begins_with_code else words[:2]
            doc = None
        elif line.strip() and not line.strip().startswith(("#[", "//", ")]", "reason =")):
            doc = None
        if line.strip():
            before = line


def is_verb(words):
    word, following = [*words, "", ""][:2]
    word = word.lower()
    if len(word) < 3 or not word.endswith("s") or word.endswith(("ss", "us", "is", "'s", "’s")):
        return False
    return word not in NOT_VERBS or following.lower() in ARTICLES


def check_verbs(options):
    docs = []
    for path in files(options.paths if options.paths != ["."] else ["src"]):
        relative = path.relative_to(PROJECT)
        if path.suffix == ".rs" and "tests" not in relative.parts and path.name != "tests.rs":
            docs += [(relative, *one) for one in function_docs(path.read_text())]
    nouns = [one for one in docs if not is_verb(one[3])]
    if options.list:
        for path, line, name, words in nouns:
            print(f"{path}:{line}: fn {name}: begins with {' '.join(words) or 'code'!r}")
    share = 100 * (len(docs) - len(nouns)) / len(docs) if docs else 100.0
    print(f"{share:.1f} % of {len(docs)} documented functions begin with a verb in the third person")
    if share < options.verbs_at_least:
        sys.exit(f"less than {options.verbs_at_least:g} %: --list shows the others")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=["."], help="files and folders [default: all]")
    parser.add_argument("--at-most", type=float, default=5, metavar="N", help="hits per 1,000 words that pass [default: 5]")
    parser.add_argument("--list", action="store_true", help="print each hit, or each doc without a verb")
    parser.add_argument("--rules", action="store_true", help="print the number of hits of each rule")
    parser.add_argument("--verbs", action="store_true", help="check the first words of function docs instead")
    parser.add_argument("--verbs-at-least", type=float, default=75, metavar="N", help="share that passes, in %% [default: 75]")
    options = parser.parse_args()
    (check_verbs if options.verbs else check_prose)(options)


if __name__ == "__main__":
    main()
