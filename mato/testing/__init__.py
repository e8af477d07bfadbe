"""The fakes that ship with the product."""
