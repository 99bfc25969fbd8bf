"""One partition of [readings] on the worker that owns it: everything that is processed in its order.

The embedded log has one partition, which its worker owns from start to end. With several partitions, rebalances assign
and revoke them. A batch that arrives after its partition was revoked finds it closed and changes nothing: the next
owner reads the same frames again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.stream.deletes import AppliedDeletes
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.progress import Progress
from pipeline.stream.rule_state import RuleState
from pipeline.stream.usage.metering import PartitionUsage
from pipeline.stream.writes import PendingWrites
from store.partition_store import PartitionStore


@dataclass(slots=True, eq=False)
class Partition:
    """The worker's parts for the partition `number`, whose name in positions is `id`.

    next_offset  of the first frame that is not normalised yet: earlier ones that are read again change nothing
    is_open      whether this worker still owns it
    """

    number: int
    id: str
    store: PartitionStore
    normaliser: Normaliser
    rules: RuleState
    progress: Progress
    next_offset: int
    writes: PendingWrites = field(default_factory=PendingWrites)
    deletes: AppliedDeletes = field(default_factory=AppliedDeletes)
    is_open: bool = True
    usage: PartitionUsage = field(default_factory=PartitionUsage)
