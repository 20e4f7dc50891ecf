"""Files that were restored from the trash: the file `restored.json` in the state folder.

They stay until somebody touches them, whatever policies propose.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipekit.errors import StorageError
from pipekit.model.file import FileStat
from pipekit.storage.small_file import DAMAGE, read_json, write_json
from pipekit.worker._files import PRIVATE

_MAX_BYTES = 1 << 30  # of the file; a path and two numbers for each


class RestoredFiles:
    """The restored files, by size and modification time. `folder`: that of the state."""

    def __init__(self, folder: Path, mode: int = PRIVATE) -> None:
        self.path = folder / "restored.json"
        self._mode = mode
        self._files: dict[str, tuple[int, int]] | None = None

    def has(self, file: FileStat) -> bool:
        """Whether this file was restored and not touched since. Raises StorageError."""
        if self._files is None:
            self._files = self._read()
        return self._files.get(file.path) == (file.size, file.mtime_ns)

    def add(self, files: Iterable[tuple[str, int, int]], root: Path) -> None:
        """Add files: path, size, modification time; and forget those that are gone.

        Raises OSError, StorageError.
        """
        for left in self.path.parent.glob(f".{self.path.name}.*.tmp"):  # of a killed write
            left.unlink(missing_ok=True)
        kept = {path: known for path, known in self._read().items() if (root / path).exists()}
        kept |= {path: (size, modified) for path, size, modified in files}
        write_json(self.path, kept, self._mode)
        self._files = None

    def _read(self) -> dict[str, tuple[int, int]]:
        try:
            found = read_json(self.path, _MAX_BYTES)
            return {str(path): (int(size), int(time)) for path, (size, time) in found.items()}
        except FileNotFoundError:
            return {}
        except DAMAGE as error:
            raise StorageError(
                f"cannot read {self.path} ({error}), so no file may go: it names the files that "
                "were restored. Delete it if none of them has to stay"
            ) from error
