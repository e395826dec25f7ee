"""The entry point of gunicorn and of `flask --app wsgi`."""

from inbox import create_app

app = create_app()
