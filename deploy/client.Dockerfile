# pbt in a container: docker build -f deploy/client.Dockerfile -t pbt .
# It needs no root and no terminal, and writes nothing but /data (deploy/client.compose.yaml).
FROM node:24-bookworm-slim AS build
WORKDIR /src
# The packaged Node is linked against it, and slim images are without.
RUN apt-get update && apt-get install -y --no-install-recommends libatomic1 && rm -rf /var/lib/apt/lists/*
COPY . .
RUN npm ci --no-audit --no-fund && npm run --silent pack \
 && npm install --global --prefix /opt/pbt --no-audit --no-fund ./dist/pbt-client-*.tgz

FROM debian:12-slim
# The first process reaps children and passes signals on.
RUN apt-get update && apt-get install -y --no-install-recommends tini ca-certificates libatomic1 && rm -rf /var/lib/apt/lists/* \
 && install -d -m 0700 -o 10001 -g 10001 /data
COPY --from=build /opt/pbt /usr/local
USER 10001:10001
VOLUME /data
# Whoever restarts containers is no person: what the owner ended on the server stays ended.
ENV PBT_HOME=/data PBT_UNATTENDED=1
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s CMD ["sh", "-c", "pbt status --json | grep -q '\"online\"'"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--", "pbt"]
CMD ["up", "--file", "/config/tunnels.yaml", "--json"]
