# One image for Airflow's components, `evbilling` and the payment sandbox; the command chooses.
#   docker run --rm evbilling:0.1.0 evbilling --help
#   docker run --rm evbilling:0.1.0 airflow version
# The minor version of Python is the one that the tests ran on; a tag, not a digest: pin that where you deploy.
ARG PYTHON=3.11.17

FROM python:${PYTHON}-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.lock /tmp/requirements.lock
# The lock is complete, so pip needn't resolve anything; it would ask for a pin of each extra.
RUN /opt/venv/bin/pip install --no-deps --require-hashes --requirement /tmp/requirements.lock
WORKDIR /opt/evbilling
COPY pyproject.toml README.md ./
COPY include ./include
COPY plugins ./plugins
COPY sql ./sql
# The wheel has SQL, templates and the plugin. Compiled here, because nothing can be written later.
RUN /opt/venv/bin/pip install --no-deps --no-build-isolation . \
    && /opt/venv/bin/pip check \
    && /opt/venv/bin/python -m compileall -q /opt/venv/lib/python*/site-packages/evbilling*

FROM python:${PYTHON}-slim
# For customers' names on the PDFs: every script, and emoji.
RUN apt-get update -qq \
    && apt-get install -qq --no-install-recommends fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji \
    && rm -rf /var/lib/apt/lists/*
# Data is below /var/lib/evbilling: a new volume takes its owner from here.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin evbilling \
    && install -d -o evbilling -g evbilling /var/lib/evbilling /var/lib/evbilling/logs /var/lib/evbilling/sandbox
COPY --from=build /opt/venv /opt/venv
COPY dags /opt/evbilling/dags
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONWARNINGS='ignore:GitWildMatchPattern,ignore:Using `httpx` with' \
    AIRFLOW_HOME=/tmp/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/evbilling/dags \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    GX_ANALYTICS_ENABLED=False
WORKDIR /opt/evbilling
USER 10001:10001
# No HEALTHCHECK: health depends on the command, so docker-compose.yml has a check for each service.
CMD ["evbilling", "--help"]
