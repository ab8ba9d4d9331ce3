"""The guards of money and limits, by what they keep. To add one, append it to its module: `python -m tests.mutants NAME` tries it."""

from tests.mutants.guards.credit import CREDIT_GUARDS
from tests.mutants.guards.gateway import GATEWAY_GUARDS
from tests.mutants.guards.limits import LIMIT_GUARDS
from tests.mutants.guards.outages import OUTAGE_GUARDS
from tests.mutants.guards.payments import PAYMENT_GUARDS
from tests.mutants.guards.settlement import SETTLEMENT_GUARDS
from tests.mutants.mutant import Mutant

MUTANTS = [*CREDIT_GUARDS, *SETTLEMENT_GUARDS, *LIMIT_GUARDS, *GATEWAY_GUARDS, *OUTAGE_GUARDS, *PAYMENT_GUARDS]


def by_name(name: str) -> Mutant:
    """Raises KeyError."""
    return {mutant.name: mutant for mutant in MUTANTS}[name]
