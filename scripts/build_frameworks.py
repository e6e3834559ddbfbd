#!/usr/bin/env python3
"""Writes rules/frameworks/*.yaml, the framework catalogues and the crosswalk that the binary embeds.

  scripts/build_frameworks.py SOURCE_DIR [--check]

SOURCE_DIR holds the collected catalogues, one YAML file per framework, and crosswalk.yaml. Standard library
only: the sources use a small part of YAML (scalars in double quotes, lists and maps in flow style), and any
other line is an error. The output is compact, in source order, and equal for equal sources. With --check
nothing is written and a difference ends with status 1.
"""

import argparse
import json
import pathlib
import re
import sys

# What each catalogue was taken from, and on which terms. The first seven carry conclusions; the last two
# only resolve old or neighbouring citations of the crosswalk.
NIST_DATA = (
    "CloudSecurityAlliance-DataSets/dataset-public-laws-regulations-standards, "
    "commit 7d418867b0650a0982683b90af1bd0a42357a227"
)
NIST_TERMS = "work of the United States government, not subject to copyright there (17 U.S.C. 105)"
OWASP_TERMS = "publisher's text is under CC BY-SA 4.0; only ids and titles are taken from it"
FRAMEWORKS = [
    ("owasp_nhi_2025", "OWASP/www-project-non-human-identities-top-10, commit "
     "7c9ee8d9e3df4247df4b74fa65f274a9360c995f, 2025/docs/top-10-2025.md", OWASP_TERMS),
    ("owasp_agentic_2026", "OWASP/www-project-top-10-for-large-language-model-applications, commit "
     "020595761a4b7b0c3f9cf01a0457b78f9f1e7f9c, initiatives/agent_security_initiative", OWASP_TERMS),
    ("csa_maestro", "layer names of the CSA publication of 2025-02-06, confirmed by three independent copies",
     "CSA holds the copyright; only the layer names are taken"),
    ("nist_800_53_r5", "usnistgov/oscal-content, commit a207cd792c9cbb73f32127cbe1ffcec92ff0a14e, compared with the "
     "HIGH baseline at commit 88bb8deeaa815f8914d68ea7e31a622ebbc1719d; IA-13 from secondary copies", NIST_TERMS),
    ("nist_csf_2_0", NIST_DATA + ", control/nist.gov/csf/2.0/csf-2.0.csv", NIST_TERMS),
    ("nist_800_207", NIST_DATA + ", control/nist.gov/800-207", NIST_TERMS),
    ("nist_ai_rmf_1_0", NIST_DATA + ", control/nist.gov/ai-rmf/1.0", NIST_TERMS),
    ("nist_csf_1_1", NIST_DATA + ", control/nist.gov/csf/1.1/csf-1.1.csv", NIST_TERMS),
    ("owasp_agentic_threats", "OWASP/www-project-top-10-for-large-language-model-applications, commit "
     "020595761a4b7b0c3f9cf01a0457b78f9f1e7f9c, file names of the initial candidates; numbers confirmed by two "
     "independent copies", OWASP_TERMS),
]
HEAD = ["id", "name", "version", "publisher", "url", "title_policy", "selection"]
# The first of these keys that a control has is its family.
FAMILY = ["family", "category"]
STRING = r'"(?:[^"\\]|\\.)*"'
PAIR = re.compile(rf"([a-z_0-9]+): (?:({STRING})|\[((?:{STRING}(?:, )?)*)\]|\{{([^{{}}]*)\}}|(true|false))(?:, |$)")


class SourceError(Exception):
    """A line of a source that this reader does not understand."""


def scalar(text, place):
    """Value of `"text"`, `true`, `false`, `["a", "b"]` or `{key: "value"}`."""
    match = re.fullmatch(PAIR.pattern, f"value: {text}")
    if not match:
        raise SourceError(f"{place}: cannot read {text!r}")
    return pair_value(match, place)


def pair_value(match, place):
    _, string, items, inner, word = match.groups()
    if string is not None:
        return json.loads(string)
    if word is not None:
        return word == "true"
    if inner is not None:
        return flow_map(inner, place)
    return [json.loads(s) for s in re.findall(STRING, items or "")]


def flow_map(text, place):
    out, at = {}, 0
    while at < len(text):
        match = PAIR.match(text, at)
        if not match:
            raise SourceError(f"{place}: cannot read {text[at:]!r}")
        out[match.group(1)] = pair_value(match, place)
        at = match.end()
    return out


def read(path, list_key):
    """Head of the file, and the entries under `list_key`, in order."""
    head, entries, nested = {}, [], None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        place = f"{path.name}:{number}"
        if not line.strip() or line == f"{list_key}:":
            continue
        indent = len(line) - len(line.lstrip(" "))
        body = line.strip()
        if indent == 0:
            key, _, value = body.partition(": ")
            head[key] = scalar(value, place)
        elif indent == 2 and body.startswith("- "):
            key, _, value = body[2:].partition(": ")
            entries.append({key: scalar(value, place)})
        elif indent == 4 and body.endswith(":"):
            nested = entries[-1].setdefault(body[:-1], [])
        elif indent == 4:
            key, _, value = body.partition(": ")
            entries[-1][key] = scalar(value, place)
        elif indent == 6 and body.startswith("- ") and nested is not None:
            nested.append(scalar(body[2:], place))
        else:
            raise SourceError(f"{place}: unexpected line {body!r}")
    return head, entries


def quoted(value):
    return json.dumps(value, ensure_ascii=False)


def flow(pairs):
    return "{" + ", ".join(f"{k}: {quoted(v)}" for k, v in pairs if v not in (None, "")) + "}"


def header(what):
    return [f"# {what} Written by scripts/build_frameworks.py; change the script, not this file."]


def catalogue(source, stem, origin, licence):
    head, controls = read(source / f"{stem}.yaml", "controls")
    seen = set()
    lines = header("Ids and titles are facts of the publication; summaries are our own words and not normative.")
    # A remark on a key that is not carried over would have nothing to refer to.
    head["selection"] = head["selection"].split("; owasp_threats ")[0]
    lines += [f"{key}: {quoted(head[key])}" for key in HEAD]
    lines += [f"origin: {quoted(origin)}", f"licence: {quoted(licence)}", "controls:"]
    for control in controls:
        if control["id"] in seen:
            raise SourceError(f"{stem}.yaml: id {control['id']!r} occurs twice")
        seen.add(control["id"])
        family = next((control[key] for key in FAMILY if key in control), None)
        pairs = [("id", control["id"]), ("title", control["title"]), ("family", family), ("kind", control.get("kind")),
                 ("oscal_id", control.get("oscal_id")), ("summary", control["summary"])]
        if control.get("title_is_official") is False:
            pairs.insert(2, ("title_is_official", False))
        lines.append("  - " + flow(pairs))
    return head["id"], seen, "\n".join(lines) + "\n"


def crosswalk(source, known):
    _, entries = read(source / "crosswalk.yaml", "entries")
    lines = header("Citations in circulation, and the official ids that carry what they mean.")
    lines.append("entries:")
    for entry in entries:
        cited, same = entry["cited"], entry.get("same_number_official")
        for target in entry["official"] + ([same] if same else []):
            if target["id"] not in known.get(target["framework"], ()):
                raise SourceError(f"crosswalk.yaml: {target['framework']} has no {target['id']!r}")
        lines.append("  - cited: " + flow([("framework", cited["framework"])])[:-1] + f", id: {quoted(cited['id'])}}}")
        lines.append(f"    meaning: {quoted(entry['cited_meaning'])}")
        lines.append(f"    verdict: {quoted(entry['verdict'])}")
        if same:
            lines.append("    same_number: " + flow([(k, same[k]) for k in ("framework", "id", "title")]))
        lines.append("    official:")
        for target in entry["official"]:
            lines.append("      - " + flow([(k, target.get(k)) for k in ("framework", "id", "strength", "when")]))
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    args = parser.parse_args()
    target = pathlib.Path(__file__).resolve().parent.parent / "rules" / "frameworks"
    files, known = {}, {}
    try:
        for stem, origin, licence in FRAMEWORKS:
            ident, ids, text = catalogue(args.source, stem, origin, licence)
            known[ident] = ids
            files[f"{ident}.yaml"] = text
        files["crosswalk.yaml"] = crosswalk(args.source, known)
    except (SourceError, OSError, KeyError) as error:
        sys.exit(f"error: {error}")
    stale = [n for n, text in files.items() if not (target / n).is_file() or (target / n).read_text("utf-8") != text]
    if args.check:
        sys.exit(f"error: not up to date: {', '.join(stale)}" if stale else 0)
    target.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (target / name).write_text(files[name], encoding="utf-8")
    print(f"{len(files)} files, {sum(len(v) for v in known.values())} controls, {len(stale)} changed", file=sys.stderr)


if __name__ == "__main__":
    main()
