"""A data set of a server on this machine, for tests of finding and downloading."""

import io
import zipfile

from recsys_nn.data.datasets.archive import ArchiveDataset
from recsys_nn.data.table_format import TableFormat


def zipped(members: dict[str, str], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def tiny_dataset(address: str, sha256: str) -> ArchiveDataset:
    return ArchiveDataset(
        name="tiny-films",
        title="Tiny Films: 2 ratings",
        licence="Everybody may do anything with it.",
        url=f"{address}/tiny.zip",
        sha256=sha256,
        folder="tiny",
        main="ratings.csv",
        layout=TableFormat(),
        scale=(1, 5),
        features=lambda folder: {},
    )
