"""The accounts of a database with everything they need, for the daemon and the command line."""

from hyphad.auth.accounts import Accounts
from hyphad.auth.audit import Audit
from hyphad.auth.passwords import Passwords
from hyphad.store.accounts import AccountTable
from hyphad.store.audit import AuditTable
from hyphad.store.codes import CodeTable
from hyphad.store.database import Database
from hyphad.store.sessions import SessionTable


def accounts_in(database: Database, password_cost: str) -> Accounts:
    """The accounts in a database that is open."""
    return Accounts(
        AccountTable(database),
        CodeTable(database),
        SessionTable(database),
        Passwords(password_cost),
        Audit(AuditTable(database)),
    )
