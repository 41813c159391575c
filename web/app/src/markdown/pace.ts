/** What takes long to draw is drawn less often while it grows: the page stays free for the person. */

/** Less than half a frame costs nothing. */
const FREE = 8;

/** The part of the time that drawing may take: one of this many. */
const SHARE = 4;

export class Pace {
  private took = 0;
  private ended = 0;

  /** Milliseconds until it is time again. */
  left(now: number): number {
    return this.took <= FREE ? 0 : Math.max(0, this.ended + this.took * (SHARE - 1) - now);
  }

  measured<T>(work: () => T, clock: () => number): T {
    const began = clock();
    const done = work();
    this.ended = clock();
    this.took = this.ended - began;
    return done;
  }
}
