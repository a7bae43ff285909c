/** Tells a person at a terminal what is going on: one line a step, with the seconds that it took. */
export interface Progress {
  /**
   * Shows the title while `work` goes on (with whatever detail it reports), then `✔` and what `done` makes of the result.
   * Several steps may go on at once.
   */
  step<Result>(
    title: string,
    work: (detail: (text: string) => void) => Promise<Result>,
    done?: (result: Result) => string,
  ): Promise<Result>;
  /** Prints whole lines between the steps. */
  say(text: string): void;
}

interface ActiveStep {
  title: string;
  detail: string;
}

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 100;
const CLEAR_LINE = '\r\x1b[2K';

/** A spinner that stays in one line where the stream is a terminal; elsewhere plain lines only. */
export function createProgress(stream: NodeJS.WriteStream): Progress {
  const active = new Set<ActiveStep>();
  let frame = 0;
  let ticking: NodeJS.Timeout | undefined;
  // A terminal that has been closed must not end the launcher before it has stopped everything.
  stream.on('error', () => {});

  const draw = () => {
    if (!stream.isTTY || active.size === 0) return;
    const text = [...active].map(({ title, detail }) => (detail ? `${title}: ${detail}` : title)).join(', ');
    const room = (stream.columns || 80) - 3;
    stream.write(`${CLEAR_LINE}${FRAMES[frame++ % FRAMES.length]} ${text.slice(0, room)}`);
  };
  const say = (text: string) => {
    stream.write(stream.isTTY ? `${CLEAR_LINE}${text}\n` : `${text}\n`);
    draw();
  };
  const begin = (step: ActiveStep) => {
    active.add(step);
    if (stream.isTTY) ticking ??= setInterval(draw, FRAME_MS);
    draw();
  };
  const end = (step: ActiveStep, line: string) => {
    active.delete(step);
    if (active.size === 0) {
      clearInterval(ticking);
      ticking = undefined;
    }
    say(line);
  };

  return {
    say,
    async step(title, work, done) {
      const begun = Date.now();
      const step = { title, detail: '' };
      begin(step);
      try {
        const result = await work((text) => {
          // In a log, a counter's every value would be a line.
          const isNew = withoutNumbers(text) !== withoutNumbers(step.detail);
          step.detail = text;
          if (stream.isTTY) draw();
          else if (isNew) say(`  ${title}: ${text}`);
        });
        const seconds = ((Date.now() - begun) / 1000).toFixed(1);
        end(step, `✔ ${done ? done(result) : title} (${seconds} s)`);
        return result;
      } catch (error) {
        end(step, `✖ ${title}`);
        throw error;
      }
    },
  };
}

function withoutNumbers(text: string): string {
  return text.replace(/\d+/g, '#');
}
