# One image for the API, the runner and the relay: they differ by their command, see docker-compose.yml.
# There is no build step: Node 24 runs the TypeScript as it is.

FROM node:24.21.0-bookworm-slim AS dependencies
WORKDIR /beanline
COPY package.json package-lock.json ./
COPY apps/api/package.json apps/api/
COPY workers/runner/package.json workers/runner/
COPY workers/relay/package.json workers/relay/
COPY shared/package.json shared/
# The optional packages are Node itself, for machines without it, and a native part that its owner does without.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /beanline
COPY --from=dependencies /beanline ./
COPY apps apps
COPY workers workers
COPY shared shared
COPY scripts scripts
# Files belong to root: what runs here can change none of them but its data. A new volume at /data takes its owner from here.
RUN mkdir /data && chown node:node /data
ENV DATA_DIR=/data
USER node
STOPSIGNAL SIGTERM
EXPOSE 3000
CMD ["node", "apps/api/src/main.ts"]
