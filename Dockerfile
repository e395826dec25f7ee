# One image for web, worker and commands: docker compose -f deploy/compose.yml up
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

COPY requirements.txt ./
RUN pip install --require-hashes --no-deps -r requirements.txt

COPY wsgi.py gunicorn.conf.py ./
COPY inbox ./inbox
RUN python -m compileall -q inbox wsgi.py \
    && useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin inbox \
    && install -d -o inbox -g inbox -m 0700 /data

USER 10001
ENV INBOX_INSTANCE_PATH=/data PORT=8000
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:%s/health/live' % os.environ['PORT'], timeout=2)"]
CMD ["gunicorn", "-c", "gunicorn.conf.py", "--bind", "0.0.0.0:8000", "wsgi:app"]
