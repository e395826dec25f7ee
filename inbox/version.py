"""The release, as /health, the OpenAPI document and our User-Agent name it."""

VERSION = "0.1.0"
