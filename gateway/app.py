"""The REST API as an ASGI application: every resource, wired to what it works on."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

from starlette.applications import Starlette
from starlette.types import ASGIApp

from gateway.accounts import Accounts
from gateway.corrections import Corrections
from gateway.http import docs, middleware, page, regions, watchlists, zones
from gateway.http.blur import BlurRoutes
from gateway.http.corrections import CorrectionRoutes
from gateway.http.events import EventRoutes
from gateway.http.health import HealthRoutes
from gateway.http.info import InfoRoutes
from gateway.http.operator import Operator
from gateway.http.pictures import PictureRoutes
from gateway.http.reads import ReadRoutes
from gateway.http.recognition import RecognitionRoutes
from gateway.http.responses import ERROR_HANDLERS
from gateway.http.results import ResultRoutes
from gateway.http.tokens import TokenRoutes
from gateway.http.usage import UsageRoutes
from gateway.http.webhooks import WebhookRoutes
from gateway.idempotency import KeyedRequests
from gateway.intake import Intake
from gateway.jobs import JobClient
from gateway.kept_pictures import KeptPictures
from gateway.outcomes import Outcomes
from gateway.pipeline_health import PipelineHealth
from gateway.result_feed import ResultFeed
from gateway.results_query import History
from gateway.zones import ZoneStore
from platelane.bus import Bus
from platelane.bus.mirror import Mirror
from platelane.runtime.settings import Settings
from platelane.tokens import Token
from platelane.vision.decoders import Decode
from platelane.vision.model_specs import ModelRepository
from platelane.webhooks.registry import HookRegistry
from platelane.webhooks.watchlists import WatchlistStore

VERSION: Final = version("platelane")


def create_app(
    bus: Bus,
    jobs: JobClient,
    keyed: KeyedRequests,
    outcomes: Outcomes,
    tokens: Mirror[Token],
    accounts: Accounts,
    intake: Intake,
    zone_store: ZoneStore,
    lists: WatchlistStore,
    hooks: HookRegistry,
    feed: ResultFeed,
    settings: Settings,
    decode: Decode,
) -> ASGIApp:
    """The application. What it is given has been started."""
    webhooks = WebhookRoutes(bus, hooks, accounts, lists, settings)
    history = History(bus)
    pictures = KeptPictures(bus, history)
    operator = Operator(tokens, accounts, settings)
    app = Starlette(
        routes=[
            *RecognitionRoutes(jobs, keyed, accounts, intake, settings).routes(),
            *BlurRoutes(jobs, keyed, accounts, intake, settings, decode).routes(),
            *InfoRoutes(VERSION, accounts, webhooks).routes(),
            *EventRoutes(feed, lists, accounts).routes(),
            *ResultRoutes(history, outcomes, accounts, settings).routes(),
            *ReadRoutes(bus, accounts, lists, settings).routes(),
            *PictureRoutes(pictures, accounts).routes(),
            *CorrectionRoutes(bus, Corrections(bus, history), pictures, accounts).routes(),
            *TokenRoutes(tokens, operator, accounts, settings).routes(),
            *UsageRoutes(accounts, operator).routes(),
            *HealthRoutes(PipelineHealth(bus, settings), operator).routes(),
            *webhooks.routes(),
            *watchlists.routes(lists, hooks, accounts),
            *zones.routes(zone_store, accounts),
            *regions.routes(ModelRepository(settings.model_repository)),
            *docs.routes(VERSION),
            *page.routes(),
        ],
        exception_handlers=ERROR_HANDLERS,
    )
    app.router.redirect_slashes = False
    return middleware.wrapped(app, settings)
