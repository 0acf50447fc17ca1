"""Who may call: tokens of our own, tokens of an issuer, and what each of them allows."""
