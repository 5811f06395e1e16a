# pbt-server in a container: docker build -f deploy/server.Dockerfile -t pbt-server .
# It needs no root, writes nothing but /data, and is told everything by variables (deploy/server.compose.yaml).
FROM node:24-bookworm-slim AS build
WORKDIR /src
# The packaged Node is linked against it, and slim images are without.
RUN apt-get update && apt-get install -y --no-install-recommends libatomic1 && rm -rf /var/lib/apt/lists/*
COPY . .
RUN npm ci --no-audit --no-fund && npm run --silent pack \
 && npm install --global --prefix /opt/pbt --no-audit --no-fund ./dist/pbt-server-*.tgz

FROM debian:12-slim
# The first process reaps children and passes signals on.
RUN apt-get update && apt-get install -y --no-install-recommends tini ca-certificates libatomic1 && rm -rf /var/lib/apt/lists/* \
 && install -d -m 0700 -o 10001 -g 10001 /data
COPY --from=build /opt/pbt /usr/local
USER 10001:10001
VOLUME /data
ENV PBT_SERVER_DATA_DIR=/data PBT_SERVER_HTTPS_PORT=8443 PBT_SERVER_HTTP_PORT=8080 \
    PBT_SERVER_PUBLIC_HTTPS_PORT=443 PBT_SERVER_PUBLIC_HTTP_PORT=80
EXPOSE 8443 8080 5353/udp 5353/tcp
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["bash", "-c", ": < /dev/tcp/127.0.0.1/8443"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--", "pbt-server"]
CMD ["start", "--json"]
