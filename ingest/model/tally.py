"""What was asked of a bank behind a network since the process began, whoever asked."""

from collections import Counter

from attrs import define, field


@define
class BankTally:
    """Plain counts, which the bank's client raises and the metrics read.

    They only ever grow. A bank on this machine is asked nothing.
    """

    #: Requests sent, by what became of them: a status such as "200", or "timeout", "refused".
    requests: Counter[str] = field(factory=Counter)
    #: Requests sent again, after a failure or because the bank was asked too often.
    retried: int = 0
    #: How often a request was held back: by the bank's limits, or after a failure.
    waits: int = 0
    #: For how long, all together.
    waited_s: float = 0.0
