/** Whether only this machine reaches a host of this name or address. */
import { isIPv4 } from 'node:net';

export const isLoopback = (host: string) =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
