"""What things cost, in whole cents."""

CENTS = {
    "croissant": 180,
    "rye": 420,
    "cinnamon roll": 250,
    "poppy cake": 1900,
}
DOZEN = 12
DISCOUNT_PERCENT = 10


def total(kind: str, count: int) -> int:
    """The price of `count` pieces of one kind, with the discount for a dozen or more."""
    price = CENTS[kind] * count
    if count > DOZEN:
        price -= price * DISCOUNT_PERCENT // 100
    return price


def shown(cents: int) -> str:
    """An amount for people: 1234 becomes 12.34."""
    return f"{cents // 100}.{cents % 100:02d}"
