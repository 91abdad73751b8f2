/** Holds values and streams against the schemas of `/openapi.json`. */
import assert from 'node:assert/strict';
import { z } from 'zod';

// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever the document and answers hold
type Json = any;

/**
 * The schemas with every object closed: the document lets answers grow, but what they hold today must stand in it.
 * The parts of an `allOf` stay open, since each sees the fields of the others.
 */
function closed(schema: Json, open = false): Json {
  if (Array.isArray(schema)) return schema.map((item) => closed(item, open));
  if (schema === null || typeof schema !== 'object') return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value, key === 'allOf')]));
  const isObject = copy.type === 'object' && copy.properties && copy.additionalProperties === undefined;
  return isObject && !open ? { ...copy, additionalProperties: false } : copy;
}

/** The document with what checks values by it. */
export function openApiSchema(document: Json) {
  const resolved = (node: Json): Json =>
    node?.$ref
      ? node.$ref
          .slice(2)
          .split('/')
          .reduce((at: Json, key: string) => at[key], document)
      : node;

  /** Checks a value against a schema of the document. */
  function check(schema: Json, value: unknown, what: string): void {
    const whole = { ...schema, $defs: document.components.schemas };
    const text = JSON.stringify(whole).replaceAll('#/components/schemas/', '#/$defs/');
    const parsed = z.fromJSONSchema(closed(JSON.parse(text))).safeParse(value);
    assert.ok(parsed.success, `${what}: ${parsed.error && z.prettifyError(parsed.error)}\n${JSON.stringify(value)}`);
  }

  function checkStream(schema: Json, text: string, what: string): void {
    for (const block of text.split('\n\n').filter((piece) => piece.includes('data: '))) {
      const [id = '', event = '', data = ''] = block.split('\n').map((line) => line.slice(line.indexOf(': ') + 2));
      check(schema, { id, event, data }, what);
      check({ $ref: '#/components/schemas/Event' }, JSON.parse(data), `${what} ${event}`);
    }
  }

  return { resolved, check, checkStream };
}
