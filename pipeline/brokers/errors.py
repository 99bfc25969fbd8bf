"""What can go wrong with a broker, by who must act.

BrokerError             the operator, or it passes: no connection to the broker; says what is wrong and how to mend it
└── BrokerRefused       the operator: the broker answered, and does not want us
"""

from __future__ import annotations

from pipeline.errors import PipelineError


class BrokerError(PipelineError):
    """There is no connection. `reason` is a metric label, `remedy` what to do about it."""

    def __init__(self, reason: str, detail: str, remedy: str = "") -> None:
        super().__init__(f"{detail}; {remedy}" if remedy else detail)
        self.reason = reason
        self.detail = detail
        self.remedy = remedy


class BrokerRefused(BrokerError):
    """The broker answered CONNECT or SUBSCRIBE with a no."""
