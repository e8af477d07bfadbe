"""The order book: reads the file of tonight's orders."""

import csv
from pathlib import Path
from typing import NamedTuple

BOOK = Path("data/orders.csv")


class Order(NamedTuple):
    """Who wants how many of what."""

    customer: str
    kind: str
    pieces: int


def read(book: Path = BOOK) -> list[Order]:
    """All orders, in the order they came in."""
    with book.open(newline="") as lines:
        return [
            Order(line["customer"], line["kind"], int(line["count"]))
            for line in csv.DictReader(lines)
        ]
