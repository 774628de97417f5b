"""Write what follows from the declarations of settings into the docs and the deployment files.

Each file has a block between two marks. `python -m scripts.settings` writes the blocks anew; a test compares them.
"""

import re
import sys
from pathlib import Path

from ingestion.alerts.channels import kinds
from ingestion.config import ROOT
from ingestion.config.declarations import declared, sections
from ingestion.config.setting import Setting

_BLOCK = re.compile(r"(?<=settings: begin)([^\n]*\n).*?(?=[^\n]*settings: end)", re.DOTALL)
# what a workflow of GitHub knows by itself
_ON_GITHUB = {
    "PIPELINE_ALERT_LINK": "${{ github.server_url }}/${{ github.repository }}/actions/runs/${{ github.run_id }}",
    "PIPELINE_ALERT_GITHUB_REPOSITORY": "${{ github.repository }}",
    "PIPELINE_ALERT_GITHUB_API_URL": "${{ github.api_url }}",
    "PIPELINE_ALERT_GITHUB_TOKEN": "${{ github.token }}",
}


def blocks() -> dict[Path, str]:
    """Return the block of each file."""
    return {
        ROOT / "docs" / "settings.md": _tables(),
        ROOT / "docs" / "alerts.md": _channels(),
        ROOT / "docker" / "entrypoint.sh": _array("SECRET_NAMES", [each for each in declared() if _has_file(each)]),
        ROOT / "scripts" / "run-scheduled.sh": (
            _array("plain", [each for each in declared() if not each.is_secret and not each.kind.is_path])
            + _array("secret", [each for each in declared() if each.is_secret])
        ),
        ROOT / ".github" / "workflows" / "scheduled.yml": _environment(),
    }


def written(text: str, block: str) -> str:
    """Return the text of a file with its block replaced.

    Arguments:
        text: the file.
        block: the new block.

    """
    return _BLOCK.sub(lambda match: match[1] + block, text, count=1)


def _has_file(setting: Setting) -> bool:
    return setting.is_secret or setting.may_be_a_file


def _tables() -> str:
    parts = [""]
    for section in sections():
        parts += [f"## {section.title}", "", "| variable | default | meaning | read by |", "|---|---|---|---|"]
        parts += [_row(each) for each in section.settings]
        parts.append("")
    return "\n".join(parts) + "\n"


def _row(setting: Setting) -> str:
    meaning = setting.meaning + (" (secret)" if setting.is_secret else "")
    return f"| `{setting.name}` | {_default(setting)} | {meaning} | {setting.reader} |"


def _default(setting: Setting) -> str:
    default = setting.default
    if setting.default_text or default is None or default == ():
        return setting.default_text
    return f"`{int(default) if isinstance(default, bool) or default in {0, 1} else default}`".replace(".0`", "`")


def _channels() -> str:
    parts = [""]
    for kind in kinds():
        guide = (sys.modules[kind.__module__].__doc__ or "").partition("\n\n")[2].strip()
        parts += [f"### {kind.title}", "", guide, ""]
    return "\n".join(parts) + "\n"


def _array(name: str, settings: list[Setting]) -> str:
    return "".join([f"readonly {name}=(\n", *(f"  {each.name}\n" for each in settings), ")\n"])


def _environment() -> str:
    lines = []
    for each in declared():
        if each.on_schedule or (each.name.startswith("PIPELINE_ALERT_") and not each.kind.is_path):
            value = _ON_GITHUB.get(each.name) or f"${{{{ {'secrets' if each.is_secret else 'vars'}.{each.name} }}}}"
            lines.append(f"          {each.name}: {value}\n")
    return "".join(lines)


def main() -> int:
    """Write the blocks."""
    for path, block in blocks().items():
        path.write_text(written(path.read_text(encoding="utf-8"), block), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
