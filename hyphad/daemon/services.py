"""The services that the server itself offers: the manager, and those of `public` and of root."""

import asyncio
import logging

from hyphad import logs
from hyphad.core.errors import Invalid
from hyphad.daemon.errors import StartFailed
from hyphad.daemon.foundation import Foundation
from hyphad.daemon.identity import Identity
from hyphad.services.activity import Activity
from hyphad.services.admin import AdminUtils
from hyphad.services.base import service_of
from hyphad.services.catalogue import Catalogue
from hyphad.services.custom_auth import CustomAuth
from hyphad.services.login import LoginService
from hyphad.services.manager import Publisher, manager_service
from hyphad.services.mcp_outbound import McpServers
from hyphad.services.operations import Operations
from hyphad.services.owners import Owners
from hyphad.services.queue import Queues
from hyphad.services.skills import Skills
from hyphad.services.startup import ServerApi, StartupFailed, run_startup
from hyphad.services.token_list import TokenList
from hyphad.services.tokens import TokenDesk
from hyphad.services.usage import Usage
from hyphad.services.user_admin import UserAdmin
from hyphad.services.workspaces import Workspaces
from hyphad.store.audit import AuditTable
from hyphad.store.backups import Backups
from hyphad.store.eventlog import EventLog
from hyphad.store.queues import QueueTable
from hyphad.store.stored import Stored
from hyphad.web.mcp.link import HttpLink
from hyphad.web.pages import folder

log = logging.getLogger(__name__)

ADMINISTRATORS = "For administrators of the server."


class Services:
    """Built and published by the constructor; `await bring_in_operators_own()` adds theirs."""

    def __init__(
        self, base: Foundation, identity: Identity, backups: Backups, entries: logs.Memory
    ) -> None:
        self._base = base
        self._identity = identity
        self.publisher = Publisher(base.deputy, base.registry)
        self.mcp_servers = McpServers(self.publisher, base.events, HttpLink)
        self.catalogue = Catalogue(
            base.registry,
            base.presence,
            base.directory,
            base.events,
            base.manager,
            base.deputy,
            base.base_url,
            base.settings.max_services_per_client,
        )
        self._offer_manager()
        self.skills = self._offer_skills()
        self._offer_administration(backups, entries)
        self.custom_auth = self._offer_login()

    def _offer_manager(self) -> None:
        base, identity = self._base, self._identity
        workspaces = Workspaces(
            base.directory,
            base.presence,
            base.registry,
            base.events,
            self.catalogue,
            base.settings.max_workspaces_per_user,
        )
        desk = TokenDesk(
            identity.authenticator,
            identity.revocations,
            base.directory,
            base.settings.max_token_lifetime,
            identity.close_lapsed,
            identity.accounts.audit,
        )
        event_log = EventLog(base.database)
        activity = Activity(event_log, base.events, base.router)
        base.manager.serve(
            "*", manager_service(base.info, self.catalogue, workspaces, desk, activity)
        )
        tokens = TokenList(
            desk,
            identity.authenticator,
            identity.accounts.sessions,
            identity.revocations,
            base.directory,
            identity.accounts.audit,
            identity.close_lapsed,
        )
        owners = Owners(base.directory, identity.accounts.audit)
        usage = Usage(
            base.directory,
            base.presence,
            Stored(base.database),
            identity.limits.per_workspace,
            base.settings.max_services_per_client,
        )
        queues = Queues(QueueTable(base.database))
        base.directory.on_removed += [queues.drop_workspace, event_log.drop_workspace]
        for service in (
            service_of("queue", "Task queues", "First in, first out, kept on disk.", queues),
            service_of("tokens", "Tokens", "Hand out tokens, and end them.", tokens),
            service_of("workspaces", "Workspaces", "Share them, and see their use.", owners, usage),
        ):
            self.publisher.publish("public", service)

    def _offer_skills(self) -> Skills:
        base, settings = self._base, self._base.settings
        offers = {"mcp": settings.enable_mcp, "a2a": settings.enable_a2a}
        texts = folder("static") / "skills"
        skills = Skills(base.registry, self.catalogue, base.base_url, texts, offers)
        if settings.enable_agent_skills:
            about = "Texts that teach agents this server and its workspaces."
            service = service_of("agent-skills", "Agent Skills Provider", about, skills)
            service.type = "functions"
            self.publisher.publish("public", service)
        return skills

    def _offer_administration(self, backups: Backups, entries: logs.Memory) -> None:
        base, identity, settings = self._base, self._identity, self._base.settings
        admin = AdminUtils(
            base.server_id,
            base.presence,
            base.directory,
            identity.admission,
            identity.blocks,
            identity.limits,
            identity.flow,
            settings.max_services_per_client,
            base.counters,
            identity.accounts.audit,
        )
        operations = Operations(settings, base.router, backups, entries)
        users = UserAdmin(
            identity.accounts,
            AuditTable(base.database),
            settings.public_base_url,
            base.base_url,
            settings.base_path,
            identity.signin.wait_of,
        )
        for name, title, parts in (
            ("admin-utils", "Administration", (admin, operations)),
            ("user-admin", "Accounts", (users,)),
        ):
            service = service_of(name, title, ADMINISTRATORS, *parts, visibility="protected")
            self.publisher.publish("ws-user-root", service)

    def _offer_login(self) -> CustomAuth:
        base, identity, settings = self._base, self._identity, self._base.settings
        login = LoginService(
            identity.signin,
            identity.authenticator,
            base.directory,
            identity.throttle,
            settings.public_base_url,
            base.base_url,
            settings.base_path,
            lambda caller: caller.address in base.router.links,
            settings.enable_local_auth,
        )
        service = service_of(
            "hypha-login", "Hypha Login", "Log in, and get tokens for programs.", login
        )
        service.type = "functions"
        self.publisher.publish("public", service)
        return CustomAuth(identity.authenticator.hooks, self.publisher, service)

    # what the operator adds

    async def bring_in_operators_own(self) -> None:
        """External MCP servers, of which slow ones join later, and startup functions."""
        adding = [self.mcp_servers.add(entry) for entry in self._base.settings.mcp_servers]
        try:
            await asyncio.gather(*adding)
            await self._run_startup_functions()
        except BaseException as error:
            await self.close()
            if isinstance(error, Invalid):
                raise StartFailed(str(error)) from None
            raise

    async def _run_startup_functions(self) -> None:
        base, settings = self._base, self._base.settings
        if not settings.startup_functions:
            return
        server = ServerApi(
            base.manager,
            base.deputy,
            self.publisher,
            base.router,
            self.custom_auth,
            self.mcp_servers,
            base.info,
        )
        for uri in settings.startup_functions:
            try:
                await run_startup(uri, server)
            except StartupFailed as error:
                log.error("startup_function_failed reason=%r", str(error), exc_info=error.__cause__)
                if not settings.ignore_startup_errors:
                    raise StartFailed(str(error)) from None

    async def close(self) -> None:
        """End the programs that were started for MCP."""
        await self.mcp_servers.close()
