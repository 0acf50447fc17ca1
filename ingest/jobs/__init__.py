"""How jobs run: started once, stopped honestly, their end on record."""
