"""Inbox: a WhatsApp team inbox that does not fall over when the services it depends on do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if sys.version_info < (3, 11, 5):  # here, before anything that an older one cannot read
    raise SystemExit(f"inbox: needs Python 3.11.5 or newer; this is {sys.version.split()[0]} at {sys.executable}")

if TYPE_CHECKING:
    from flask import Flask

    from inbox.config import Config


def create_app(config: Config | None = None) -> Flask:
    """The application: the one place where everything is wired together. No connection is opened, no thread started.

    Without `config` the environment is read. Raises ConfigError for a setting that is missing or wrong.
    """
    # Imported here, so that the simulator and the tools can use parts of the package without loading all of it.
    from werkzeug.middleware.proxy_fix import ProxyFix

    from inbox import logs
    from inbox.bot.profile_cache import ProfileCache
    from inbox.cli import commands as cli
    from inbox.memory.redis import shared_redis
    from inbox.page import html
    from inbox.runtime import build
    from inbox.schemas import Body
    from inbox.web import headers, origins
    from inbox.web.application import Application
    from inbox.web.limits.limits import Limits
    from inbox.web.problems import register

    if config is None:
        config = cli.config_of_command()
    logs.configure(config.log_format, config.log_level, config.secrets)
    app = Application(__name__, instance_path=str(config.instance_path.absolute()), static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = Body.MAX_BYTES
    if config.trusted_proxy_count:
        hops = config.trusted_proxy_count
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    redis = shared_redis(config)
    runtime = build(config, ProfileCache(app, config, redis), redis)
    app.extensions["inbox"] = runtime
    register(app)
    if config.cors_origins:
        origins.register(app, config.cors_origins)
    headers.register(app, config)
    html.register(app)
    Limits(app, config, runtime.db, redis)
    _register_blueprints(app, config)
    cli.register(app)
    if config.dispatcher:
        app.before_request(runtime.start)  # the net under gunicorn's hook and `flask run`
    cli.prepare_flask_run(app)
    return app


def _register_blueprints(app: Flask, config: Config) -> None:
    from inbox.accounts.routes import bp as accounts
    from inbox.bot.routes import bp as bot
    from inbox.contacts.routes import bp as contacts
    from inbox.conversations.routes import bp as conversations
    from inbox.demo.routes import bp as demo
    from inbox.hooks.routes import bp as hooks
    from inbox.knowledge.routes import bp as knowledge
    from inbox.live.routes import bp as live
    from inbox.media.routes import bp as media
    from inbox.operations.admin_routes import bp as admin
    from inbox.operations.doctor.routes import bp as doctor
    from inbox.operations.metrics.routes import bp as metrics
    from inbox.operations.routes import bp as health
    from inbox.operations.status.routes import bp as status
    from inbox.page.routes import bp as page
    from inbox.page.routes import workshop
    from inbox.page.sign_in.routes import bp as sign_in
    from inbox.privacy.routes import bp as privacy
    from inbox.reports.routes import bp as reports
    from inbox.team.routes import bp as team
    from inbox.templates.routes import bp as templates
    from inbox.users.sign_in.routes import bp as auth
    from inbox.web.openapi.routes import bp as docs
    from inbox.webhooks.routes import bp as webhooks

    rows = (conversations, templates, team, media, contacts, live, accounts, reports)
    people = (*rows, doctor, admin, auth, hooks, privacy)
    pages = (page, sign_in) if config.production else (page, sign_in, workshop)
    if config.demo_simulator_url:
        pages = (*pages, demo)
    for blueprint in (webhooks, *people, bot, knowledge, health, status, metrics, docs, *pages):
        app.register_blueprint(blueprint)
