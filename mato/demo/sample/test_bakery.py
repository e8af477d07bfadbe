"""Tests of the bakery's order book."""

import unittest

from src.orders import Order
from src.prices import shown, total
from src.report import lines


class Prices(unittest.TestCase):
    def test_a_few_cost_their_price(self) -> None:
        self.assertEqual(total("rye", 3), 1260)

    def test_a_dozen_gets_the_discount(self) -> None:
        self.assertEqual(total("croissant", 12), 1944)

    def test_cents_have_two_digits(self) -> None:
        self.assertEqual(shown(1205), "12.05")


class Report(unittest.TestCase):
    def test_the_last_line_is_the_sum(self) -> None:
        self.assertIn("4.20", lines([Order("Lighthouse", "rye", 1)])[-1])


if __name__ == "__main__":
    unittest.main()
