# syntax=docker/dockerfile:1
# The page, built by Node; the server with the page inside, built by Rust; and a small image with one binary that runs
# as nobody in particular. See docs/operate.md.

FROM node:22-trixie-slim AS page
WORKDIR /src/web/app
COPY web/app/package.json web/app/package-lock.json ./
RUN --mount=type=cache,target=/npm-cache npm ci --cache /npm-cache --no-audit --no-fund
# The page is bundled with the client's sources.
COPY web/client/src ../client/src
COPY web/app ./
RUN npm run build

FROM rust:1.95-slim-trixie AS server
WORKDIR /src
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc g++ make cmake \
    && rm -rf /var/lib/apt/lists/*
COPY . .
COPY --from=page /src/web/app/dist web/app/dist
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin weir && install -D target/release/weir /out/weir

FROM debian:trixie-slim
# The authorities' certificates are for the model providers.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --home-dir /data --no-create-home --shell /usr/sbin/nologin weir \
    && install -d -o weir -g weir -m 0700 /data \
    && install -d /etc/weir
COPY --from=server /out/weir /usr/local/bin/weir
USER 10001:10001
# weir.toml is looked for here; the data is elsewhere.
WORKDIR /etc/weir
ENV WEIR_DATA=/data WEIR_LISTEN=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=10s CMD ["weir", "healthcheck"]
ENTRYPOINT ["weir"]
CMD ["serve"]
