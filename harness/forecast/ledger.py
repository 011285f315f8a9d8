"""Where frozen forecasts are kept: a table that only grows, and read-only files; hashes are checked on reading."""

from __future__ import annotations

from pathlib import Path

from harness.errors import ConfigError, StoreError
from harness.forecast.record import VERSION, Frozen, Record, dump_record, load_record, seal
from harness.store import Store


def freeze(store: Store, record: Record, out: Path | None = None) -> Frozen:
    """Seal a record and keep it, in the store and as a file if one is named. A second freeze is a second record.

    Raises:
        ConfigError: the file exists already (no forecast is ever written over), or cannot be written.
        StoreError: the same record is there already, or the store cannot be used.
    """
    frozen = seal(record)
    text = dump_record(frozen)
    if out is not None:
        _write(out, text)
    row = {
        "id": frozen.id, "sha256": frozen.sha256, "name": record.name, "created_at": record.created_at,
        "body": text, "version": VERSION,
    }  # fmt: skip
    if not store.add_forecast(row):
        raise StoreError(f"forecast {frozen.id} is in {store.path} already")
    return frozen


def forecasts(store: Store) -> tuple[Frozen, ...]:
    """All forecasts of a store, oldest first, each with its hash checked.

    Raises:
        ConfigError: one was changed after it was frozen.
    """
    return tuple(_checked(row["id"], str(row["body"])) for row in store.forecasts())


def find(store: Path, name: str) -> Frozen:
    """A forecast by its file, or by the beginning of its id in a store.

    Raises:
        ConfigError: it was changed after it was frozen, or is no forecast.
        StoreError: no or several forecasts of the store begin so.
    """
    path = Path(name)
    if path.is_file():
        try:
            return load_record(path.read_text("utf-8"), name)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read {name}: {error}") from error
    with Store(store, create=False) as opened:
        rows = [row for row in opened.forecasts() if str(row["id"]).startswith(name)]
    if len(rows) != 1:
        some = "no forecast" if not rows else f"{len(rows)} forecasts"
        raise StoreError(f"{some} in {store} begin with {name!r}, and there is no such file")
    return _checked(str(rows[0]["id"]), str(rows[0]["body"]))


def _checked(name: str, body: str) -> Frozen:
    frozen = load_record(body, f"forecast {name}")
    if frozen.id != name:
        raise ConfigError(f"forecast {name} was changed after it was frozen: its content has the hash {frozen.id}")
    return frozen


def _write(out: Path, text: str) -> None:
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
        out.chmod(0o444)
    except FileExistsError as error:
        raise ConfigError(f"{out} exists: a frozen forecast is never written over; name another file") from error
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror or error}") from error
