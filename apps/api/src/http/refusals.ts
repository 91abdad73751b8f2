/** Requests that never reach the application: what is no HTTP, comes too slowly, or names its host wrongly. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type FieldError, TaskError } from '@beanline/shared/errors.ts';
import { newRequestId, problemBody, problemHeaders } from './problem.ts';

const invalid = (message: string, ...fields: FieldError[]) =>
  new TaskError('invalid_request', message, fields.length > 0 ? { fields } : {});

function problemOf(error: unknown) {
  const requestId = newRequestId();
  const { error: known, body } = problemBody(error, requestId);
  const headers = { ...problemHeaders(known), 'X-Request-Id': requestId, Connection: 'close' };
  return { status: known.status, body, headers: { ...headers, 'Content-Length': String(Buffer.byteLength(body)) } };
}

/** What is wrong with the Host of a request, or null. HTTP/1.0 has none, and load balancers ask by it. */
export function hostProblem({ rawHeaders, httpVersion }: IncomingMessage): TaskError | null {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  if (hosts > 1) return invalid('There is more than one Host header.', { path: 'Host', message: 'was given twice' });
  if (hosts === 1 || httpVersion === '1.0') return null;
  return invalid('There is no Host header.', { path: 'Host', message: 'is required' });
}

/** Answers a request in the place of the application. */
export function refuseRequest(response: ServerResponse, error: TaskError): void {
  const { status, headers, body } = problemOf(error);
  response.writeHead(status, headers).end(body);
}

/** The answer to a request whose address cannot be read. */
export function unreadable(thrown: unknown): Response {
  const isAddress = thrown instanceof Error && thrown.name === 'RequestError';
  const { status, headers, body } = problemOf(isAddress ? invalid('The address or its Host is not valid.') : thrown);
  return new Response(body, { status, headers });
}

/** What the parser of HTTP says of a client, as it is told. */
export function parserProblem({ code }: NodeJS.ErrnoException, maxHeaderBytes: number): TaskError {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new TaskError('request_timeout', 'The request arrived too slowly.');
  if (code === 'HPE_HEADER_OVERFLOW') {
    return invalid('The headers are too large.', { path: 'headers', message: `larger than ${maxHeaderBytes} bytes` });
  }
  return invalid('This is not valid HTTP.');
}

/** Answers on a socket that has no request, and closes it. */
export function refuseSocket(socket: Socket, error: TaskError): void {
  if (!socket.writable) return;
  const { status, headers, body } = problemOf(error);
  const reason = status === 408 ? 'Request Timeout' : 'Bad Request';
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  socket.write([`HTTP/1.1 ${status} ${reason}`, ...lines, '', body].join('\r\n'));
  // Not `end`: a client that never closes its side would keep the socket.
  socket.destroySoon();
}
