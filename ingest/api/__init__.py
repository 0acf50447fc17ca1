"""What callers see: routes, answers, errors over HTTP."""
