/** Who takes a turn: anything that can be timed again and again. */
export type Turn<Answer> = () => Promise<Answer>;

/**
 * Rounds in which every contender has one turn, so that what else the machine does meets all alike; each round begins
 * with another one.
 * @returns for each contender its answers, one a round
 */
export async function takeTurns<Answer>(
  contenders: readonly Turn<Answer>[],
  rounds: number,
  onRound: (round: number) => void,
): Promise<Answer[][]> {
  const answers: Answer[][] = contenders.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const at = (round + turn) % contenders.length;
      answers[at].push(await contenders[at]());
    }
    onRound(round + 1);
  }
  return answers;
}
