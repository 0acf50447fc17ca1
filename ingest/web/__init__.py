"""Pages for people: what they are made of, and the files that go with them."""
