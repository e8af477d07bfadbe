"""Prints tonight's orders and what they bring in."""

from .orders import Order, read
from .prices import shown, total


def lines(orders: list[Order]) -> list[str]:
    """One line for each order and one for the sum."""
    # TODO: say which kind sells best
    out = [
        f"{order.customer:<16} {order.pieces:>3} {order.kind:<14}"
        f"{shown(total(order.kind, order.pieces)):>8}"
        for order in orders
    ]
    whole = sum(total(order.kind, order.pieces) for order in orders)
    return [*out, f"{'together':<34} {shown(whole):>8}"]


if __name__ == "__main__":
    print("\n".join(lines(read())))
