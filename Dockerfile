# A small image with one binary that runs as nobody in particular.
FROM rust:1.95-slim-trixie AS build
WORKDIR /src
RUN apt-get update && apt-get install -y --no-install-recommends gcc g++ make cmake && rm -rf /var/lib/apt/lists/*
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --release && cp target/release/weir /weir

FROM debian:trixie-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --no-create-home weir \
    && install -d -o weir -g weir -m 0700 /data
COPY --from=build /weir /usr/local/bin/weir
USER weir
WORKDIR /data
ENV WEIR_DATA=/data WEIR_LISTEN=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=10s CMD ["weir", "healthcheck"]
ENTRYPOINT ["weir"]
CMD ["serve"]
