"""Compares datasets element by element."""

import pydicom
from pydicom.dataset import Dataset
from pydicom.valuerep import DSdecimal, DSfloat


class Judge:
    def __init__(self) -> None:
        self.instances = 0
        self.elements = 0
        self.private = 0
        self.sequences = 0
        self.differences: list[str] = []

    def differs(self, where: str, what: str) -> None:
        if len(self.differences) < 50:
            self.differences.append(f"{where}: {what}")

    def datasets(self, sent: Dataset, got: Dataset, where: str, skipped: set[int]) -> None:
        sent_tags = {tag for tag in sent.keys() if tag.element != 0} - skipped
        got_tags = {tag for tag in got.keys() if tag.element != 0} - skipped
        for tag in sorted(sent_tags ^ got_tags):
            self.differs(f"{where} {tag}", "missing" if tag in sent_tags else "added")
        for tag in sorted(sent_tags & got_tags):
            self.element(sent[tag], got[tag], f"{where} {tag}", skipped)

    def element(self, sent, got, where: str, skipped: set[int]) -> None:
        self.elements += 1
        self.private += sent.tag.is_private
        if sent.VR != got.VR:
            self.differs(where, f"VR {sent.VR} became {got.VR}")
        elif sent.VR == "SQ":
            self.sequences += 1
            if len(sent.value) != len(got.value):
                self.differs(where, f"{len(sent.value)} items became {len(got.value)}")
            for i, (one, other) in enumerate(zip(sent.value, got.value)):
                self.datasets(one, other, f"{where}[{i}]", skipped)
        elif plain(sent.value) != plain(got.value):
            self.differs(where, f"the value ({sent.VR}) is another")


def plain(value):
    if isinstance(value, pydicom.multival.MultiValue):
        return [plain(one) for one in value]
    if isinstance(value, (DSfloat, DSdecimal)):
        return float(value)
    # An empty value is None, '' or b'' depending on where it was read from.
    return None if value in ("", b"") else value
