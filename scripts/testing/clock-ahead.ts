/** Imported before a program (`node --import`): its wall clock is CLOCK_AHEAD_MS ahead of the machine's, until SIGUSR2. */
let ahead = Number(process.env.CLOCK_AHEAD_MS ?? '0');
process.on('SIGUSR2', () => {
  ahead = 0;
});
const MachineDate = globalThis.Date;

globalThis.Date = class extends MachineDate {
  constructor(...given: [] | [number | string]) {
    super(...((given.length === 0 ? [MachineDate.now() + ahead] : given) as [number]));
  }
  static override now(): number {
    return MachineDate.now() + ahead;
  }
} as DateConstructor;
