# One image for the API, the runner and the relay: they differ by their command, see docker-compose.yml.
# There is no build step: Node 24 runs the TypeScript as it is, and keeps what it compiles.

FROM node:24.21.0-bookworm-slim AS dependencies
WORKDIR /beanline
COPY package.json package-lock.json ./
COPY apps/api/package.json apps/api/
COPY workers/runner/package.json workers/runner/
COPY workers/relay/package.json workers/relay/
COPY shared/package.json shared/
# The optional packages are Node itself, for machines without it, and a native part that its owner does without.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:24.21.0-bookworm-slim AS programs
ENV NODE_ENV=production
WORKDIR /beanline
COPY --from=dependencies /beanline ./
COPY apps apps
COPY workers workers
COPY shared shared
COPY scripts scripts

# What Node compiles of it, so that a program starts in half the time. Node keeps it by the id of its user.
FROM programs AS compiled
RUN install -d -o node -g node /compiled
USER node
RUN NODE_COMPILE_CACHE=/compiled node scripts/compile.ts

FROM programs
COPY --from=compiled --chmod=755 /compiled /compiled
ENV NODE_COMPILE_CACHE=/compiled
# A volume that is mounted there, when new, takes over whom it belongs to.
RUN install -d -o node -g node /data
ENV DATA_DIR=/data
# Files belong to root: what runs here can change none of them.
USER node
STOPSIGNAL SIGTERM
EXPOSE 3000
CMD ["node", "apps/api/src/main.ts"]
