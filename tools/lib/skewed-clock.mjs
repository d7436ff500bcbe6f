// Loaded into a service by the failure tests (`node --import`): its wall clock runs off by the milliseconds of the
// query, as that of a machine without time synchronisation. Monotonic time is not touched, as it is not there either.
const offsetMs = Number(new URL(import.meta.url).searchParams.get('ms') ?? 0);
const RealDate = Date;

globalThis.Date = class SkewedDate extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + offsetMs);
    else super(...args);
  }

  static now() {
    return RealDate.now() + offsetMs;
  }
};
