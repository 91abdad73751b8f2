/** Loads what the programs load, and starts nothing: Node keeps what it has compiled where NODE_COMPILE_CACHE says. */
import '../apps/api/src/http/server.ts';
import '../shared/src/jobs/catalog.ts';
import '../shared/src/models/create-providers.ts';
import '../shared/src/wire.ts';
import '../workers/relay/src/relay.ts';
import '../workers/runner/src/runner.ts';
