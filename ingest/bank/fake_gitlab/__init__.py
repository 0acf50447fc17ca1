"""A GitLab to try things out on: it serves a folder of git repositories over GitLab's API.

Nothing of the service imports it; ``ingest bank fake-gitlab`` and the tests run it. It answers what
a bank asks, in GitLab's own shapes, and misbehaves on order.
"""
