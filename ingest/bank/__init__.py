"""The item bank: one interface, and the places where items live."""
