"""Which files share a transaction."""

from collections.abc import Callable, Iterable, Iterator

from ingestion.backlog import Item

_MOST_FILES = 100
_MOST_BYTES = 4 << 20
# known files cost nothing, and are reported group by group
_MOST_KNOWN = 1_000


def groups(items: Iterable[Item], is_known: Callable[[Item], bool]) -> Iterator[list[Item]]:
    """Yield items in groups, in their order: a few megabytes, or a hundred files that are not known, in each.

    So many fit one COPY, and a process that is killed has little to load again. A large file is alone.

    Arguments:
        items: the items.
        is_known: tells cheaply that an item need not be loaded.

    """
    group: list[Item] = []
    files = size = 0
    for item in items:
        if is_known(item):
            group.append(item)
            if len(group) - files >= _MOST_KNOWN:
                yield group
                group, files, size = [], 0, 0
            continue
        if files and (files == _MOST_FILES or size + item.file.size > _MOST_BYTES):
            yield group
            group, files, size = [], 0, 0
        group.append(item)
        files += 1
        size += item.file.size
    if group:
        yield group
