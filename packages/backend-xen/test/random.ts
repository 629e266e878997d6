/** Random numbers of the fuzz tests (xorshift32), seeded so that a failure repeats: what is returned gives an integer from 0, below a bound. */
export function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
