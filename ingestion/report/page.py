"""Write the HTML file: the template, the styles, the scripts, the chart library and the figures.

The content security policy of the page allows its own scripts, by their hashes, and no requests. The figures are
base64, so nothing in them can end a script or begin a tag.
"""

import base64
import hashlib
import html
import json
import zlib
from functools import cache
from pathlib import Path
from string import Template
from typing import IO, Any

from ingestion.report.contents import STATUSES, Contents

_STATIC = Path(__file__).parent / "static"
_STYLES = ("page.css", "call.css", "flow.css", "print.css")
# parts of one script, in this order
_SCRIPTS = (
    "data.js",
    "format.js",
    "address.js",
    "groups.js",
    "charts.js",
    "answer.js",
    "words.js",
    "csv.js",
    "follow_up.js",
    "time.js",
    "staying.js",
    "flow.js",
    "heatmap.js",
    "participants.js",
    "participant.js",
    "quality.js",
    "run.js",
    "paper.js",
    "main.js",
)


def write(file: IO[str], contents: Contents) -> None:
    """Write the page, block by block.

    Arguments:
        file: the file, open for writing.
        contents: the figures.

    """
    parts = _parts()
    before, after = parts["page"].split("<!-- the figures -->")
    file.write(
        Template(before).substitute(
            policy=parts["policy"],
            style=parts["style"],
            theme=parts["theme"],
            title=html.escape(_title(contents.facts)),
            answer=_answer_without_scripts(contents.facts),
        )
    )
    if contents.packer:
        contents.packer.pack(lambda block: file.write(f'<script type="text/plain" class="block">{block}</script>\n'))
    text = json.dumps(contents.figures(), ensure_ascii=False, separators=(",", ":"), default=str)
    figures = base64.b64encode(zlib.compress(text.encode(), 9)).decode("ascii")
    file.write(f'<script type="text/plain" id="figures">{figures}</script>\n')
    file.write(Template(after).substitute(charts=parts["charts"], script=parts["script"]))


def fingerprint() -> str:
    """Return a digest of everything that all reports have in common."""
    digest = hashlib.sha256()
    for path in sorted(_STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def _parts() -> dict[str, str]:
    script = "\n".join(_read(name) for name in _SCRIPTS)
    parts = {
        "page": _read("page.html"),
        "style": "\n".join(_read(name) for name in _STYLES),
        "theme": _read("theme.js"),
        "charts": _read("vendor/echarts.js"),
        "script": f'"use strict";\n(() => {{\n{script}\n}})();',
    }
    scripts = " ".join(_hash(parts[name]) for name in ("theme", "charts", "script"))
    parts["policy"] = (
        f"default-src 'none'; script-src {scripts}; style-src-elem {_hash(parts['style'])}; "
        "style-src-attr 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    return parts


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def _read(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


def _title(facts: dict[str, Any]) -> str:
    return f"Engagement report, run of {facts['run']['startedAt'][:10]}"


# as the scripts of the page call them
_WORDS = {"increasing": "moving more", "declining": "moving less", "new": "too new"}


def _answer_without_scripts(facts: dict[str, Any]) -> str:
    counts = facts.get("counts") or [0] * len(STATUSES)
    items = "".join(
        f"<li>{users:,} {_WORDS.get(status, status.replace('_', ' '))}</li>"
        for status, users in zip(STATUSES, counts, strict=True)
    )
    return f"<ul>{items}</ul>"
