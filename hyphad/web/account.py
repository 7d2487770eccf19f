"""One's own account, and for administrators everybody's (AUTH-82, AUTH-99).

A token that a person makes here is shown once, in the answer to the form.
"""

from datetime import UTC, datetime
from typing import Any

from hyphad.auth.audit import By
from hyphad.auth.signin import invite_url, reset_url
from hyphad.core.errors import Fault, Invalid
from hyphad.core.identity import Permission
from hyphad.store.accounts import Account
from hyphad.store.sessions import BROWSER
from hyphad.web.forms import STALE, FormHandler
from hyphad.web.identity import origin_of

LIFETIMES = {"3600": "1 hour", "86400": "1 day", "2592000": "30 days", "31536000": "1 year"}
PERMISSIONS = {"read": "read", "read_write": "read and write", "admin": "admin"}


class AccountPage(FormHandler):
    """A page for who is signed in; others are asked to."""

    def prepare(self) -> None:
        if self.account is None:
            self.go(redirect=self.safe_target(self.field("redirect")) or "")
        elif self.request.method == "POST" and not self.is_own_form():
            self.show("message.html", 403, title="Account", message=STALE, error=True)

    @property
    def me(self) -> Account:
        account = self.account
        assert account is not None
        return account


class Profile(AccountPage):
    """Who I am, where I am signed in, and tokens to hand out."""

    template = "profile.html"

    async def get(self) -> None:
        await self.render_page()

    async def render_page(
        self, error: str = "", news: str = "", token: str = "", status: int = 200
    ) -> None:
        sessions = await self.signin.sessions.of(self.me)
        own = self.parts.directory.owned_by(self.signin.sessions.user_of(self.me))
        home = f"ws-user-{self.me.id}"
        self.show(
            "profile.html",
            status,
            error=error,
            news=news,
            token=token,
            sessions=[_session(s.to_dict(), self.session_id) for s in sessions],
            workspaces=[home, *(ws.id for ws in own if ws.id != home)],
            lifetimes=LIFETIMES,
            permissions=PERMISSIONS,
            onward=self.safe_target(self.field("redirect")) or "",
        )


class ProfileAction(Profile):
    """A form of that page."""

    async def get(self) -> None:
        self.go("profile")

    async def post(self) -> None:
        try:
            await self.act()
        except Fault as error:
            await self.render_page(error=error.message, status=self.failed(error))

    async def act(self) -> None:
        raise NotImplementedError


class Rename(ProfileAction):
    async def act(self) -> None:
        await self.signin.accounts.rename(self.me.id, self.field("name"), self.by)
        self.go("profile")


class ChangePassword(ProfileAction):
    """Ends all other sessions; this browser gets a new one (AUTH-108)."""

    async def act(self) -> None:
        new = self.field("password", strip=False)
        if new != self.field("again", strip=False):
            raise Invalid("The two passwords are not the same.")
        by, current = self.by, self.field("current", strip=False)
        account = await self.signin.change_password(self.me, current, new, by)
        self.sign_in(
            await self.signin.sessions.token(account, BROWSER, self.browser(), by), account
        )
        self.go("profile")


class EndSession(ProfileAction):
    async def act(self) -> None:
        await self.signin.sessions.end(self.me, self.field("session"), self.by)
        self.go("profile")


class EndAllSessions(ProfileAction):
    """Everywhere, here too."""

    async def act(self) -> None:
        await self.signin.accounts.end_sessions(self.me.id, self.by)
        self.sign_out()
        self.go()


class MakeToken(ProfileAction):
    """A token for one workspace, never stronger than the person (AUTH-82, AUTH-95)."""

    async def act(self) -> None:
        signed = await self.signin.sessions.narrowed(
            self.me,
            self.field("workspace"),
            Permission.from_name(self.field("permission")),
            _seconds(self.field("expires_in")),
            self.field("label") or "a token made on the account page",
            self.by,
        )
        await self.render_page(token=signed.token)


def _seconds(text: str) -> float:
    if text not in LIFETIMES:
        raise Invalid("Choose how long the token lasts")
    return float(text)


# administration


class People(AccountPage):
    """Everybody who has an account here, for administrators."""

    async def prepare(self) -> None:  # type: ignore[override]
        super().prepare()
        if not self._finished and not self.me.is_admin:
            text = "This page is for administrators of this server."
            self.show("message.html", 403, title="People", message=text, error=True)

    async def get(self) -> None:
        await self.render_page()

    async def render_page(
        self, error: str = "", link: str = "", whom: str = "", status: int = 200
    ) -> None:
        if self._finished:
            return
        people = [_person(account) for account in self.signin.accounts.table]
        self.show("people.html", status, people=people, error=error, link=link, whom=whom)

    async def post(self) -> None:
        if self._finished:
            return
        try:
            await self.act(self.field("do"), self.field("user"))
        except Fault as error:
            await self.render_page(error=error.message, status=self.failed(error))

    async def act(self, do: str, user: str) -> None:
        accounts, by = self.signin.accounts, self.by
        if do in ("add", "link", "invite"):
            await self._link(do, user, by)
            return
        account = accounts.find(user)
        if do == "disable":
            await accounts.disable(account.id, by)
        elif do == "enable":
            await accounts.enable(account.id, by)
        elif do == "verify":
            await accounts.verify_email(account.id, by)
        elif do == "admin":
            await accounts.set_roles(account.id, ("admin", "user"), by)
        elif do == "user":
            await accounts.set_roles(account.id, ("user",), by)
        elif do == "remove":
            await accounts.remove(account.id, by)
        else:
            raise Invalid(f"There is no such action: {do[:40]}")
        self.go("people")

    async def _link(self, do: str, user: str, by: By) -> None:
        """A link to send to somebody, shown once."""
        accounts = self.signin.accounts
        if do == "invite":
            url = invite_url(self._base(), await accounts.invite(by=by))
            await self.render_page(link=url, whom="whoever you invite")
            return
        if do == "add":
            roles = ("admin", "user") if self.field("admin") else ("user",)
            account = await accounts.create(
                self.field("email"), self.field("name"), None, roles, by=by
            )
        else:
            account = accounts.find(user)
        url = reset_url(self._base(), await accounts.reset_link(account.id, by))
        await self.render_page(link=url, whom=account.email or account.id)

    def _base(self) -> str:
        settings = self.parts.settings
        return settings.public_base_url or origin_of(self.request) + settings.base_path


def _session(values: dict[str, Any], current: str) -> dict[str, Any]:
    return {
        **values,
        "since": _moment(values["created_at"]),
        "until": _moment(values["expires_at"]),
        "current": values["jti"] == current,
    }


def _person(account: Account) -> dict[str, Any]:
    seen = account.last_login_at
    return {
        "id": account.id,
        "email": account.email,
        "verified": account.email_verified,
        "name": account.name,
        "admin": account.is_admin,
        "status": account.status,
        "seen": _moment(seen) if seen else "never",
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def account_routes() -> list[tuple[str, Any]]:
    return [
        ("profile", Profile),
        ("name", Rename),
        ("password", ChangePassword),
        ("token", MakeToken),
        ("end", EndSession),
        ("end-all", EndAllSessions),
        ("people", People),
    ]
