import { Predictor } from "../../training/index.js";
import { openSyntheticSession, serveRuns, syntheticBatch, type SyntheticInput } from "../speed/index.js";
import type { Design } from "./designs.js";

/** What a process of a design is started with, as JSON. */
export interface DesignProcessOptions extends SyntheticInput {
  readonly design: Design;
  readonly threads: number;
}

/** One design in a process of its own: `step` is a training step, `image` the deployed network on one image. */
async function serveDesign({ design, threads, ...input }: DesignProcessOptions): Promise<void> {
  const { session, model } = openSyntheticSession(input, { ...design.options, threads });
  const batch = syntheticBatch(input);
  const image = syntheticBatch({ ...input, batch: 1 }).images;
  // Not before it is asked for: until then the process holds what a training holds.
  let predictor: Predictor | null = null;
  await serveRuns(
    {},
    {
      step: async () => {
        const { losses } = await session.step(batch);
        return Object.values(losses).reduce((sum, loss) => sum + loss, 0);
      },
      image: async () => {
        predictor ??= await Predictor.create(model, session.averaged(), input.size, { threads });
        await predictor.predict(image);
        return null;
      },
    },
  );
}

await serveDesign(JSON.parse(process.argv[2]) as DesignProcessOptions);
// Programs in threads of their own would keep the process alive; nothing of it is needed any more.
process.exit();
